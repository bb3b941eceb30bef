import { closeSync } from 'node:fs';
import {
  type Described,
  type DescriptorKind,
  type Identity,
  type Inherited,
  identify,
  isSame,
  type SocketPath,
} from './descriptor.ts';
import { type Asked, askedText, isAnyPort } from './socket-name.ts';

/** One that this process uses. `fd` is null once its owner has closed it. */
export interface InUse extends Described {
  fd(): number | null;
  /** The server or socket whose it is; null for a bare descriptor. */
  readonly owner: object | null;
}

/** A descriptor of this process with what the new one has to know about it. */
export interface HandedOn {
  readonly fd: number;
  readonly described: Described;
}

/** What `list` shows. */
export interface ListedDescriptor {
  /** The given name, or the requested address, for example `tcp:127.0.0.1:8080`, `udp4:*:53`, `unix:/run/app.sock`. */
  readonly name: string;
  readonly kind: DescriptorKind;
  /** Its number in this process. */
  readonly fd: number;
  /** Handed over by the parent. */
  readonly inherited: boolean;
  /** Used by this process. `ready` closes inherited descriptors that are not used. */
  readonly used: boolean;
}

/** The descriptors of one process: those that its parent handed over, and those that it will hand on. */
export class DescriptorTable {
  readonly #inherited = new Set<Inherited>();
  readonly #used = new Map<InUse, { readonly inherited: boolean }>();

  /** Throws when a descriptor is not the file that the parent said. */
  inherit(descriptors: readonly Inherited[]): void {
    for (const found of descriptors) {
      if (!isSameFile(found.fd, found.identity))
        throw new Error(
          `descriptor ${found.fd}, handed over as ${found.name}, does not match its description`,
        );
      this.#inherited.add(found);
    }
  }

  /**
   * Takes an inherited socket for what a program asks for: by name, else by the address that was asked for then, else by the address that it is
   * bound to. Null where there is none. Of several that asked for any port the oldest comes first.
   */
  take(kind: DescriptorKind, asked: Asked, name?: string): Inherited | null {
    const text = askedText(asked);
    const unnamed = ({ name: other, asked: then }: Inherited): boolean =>
      name === undefined || other === then;
    const found =
      this.#find((one) => one.kind === kind && name !== undefined && one.name === name) ??
      this.#find((one) => one.kind === kind && one.asked === text && unnamed(one)) ??
      this.#find((one) => one.kind === kind && one.bound === text);
    if (found !== null) this.#inherited.delete(found);
    return found;
  }

  /** Takes any inherited one by its name. */
  takeNamed(name: string): Inherited | null {
    const found = this.#find((one) => one.name === name);
    if (found !== null) this.#inherited.delete(found);
    return found;
  }

  /** An inherited socket that nobody took, with that port: why it cannot be bound again. */
  holderOf(port: number): string | null {
    return this.#find(({ bound }) => bound?.endsWith(`:${port}`) ?? false)?.name ?? null;
  }

  #find(matches: (one: Inherited) => boolean): Inherited | null {
    for (const one of this.#inherited) if (matches(one)) return one;
    return null;
  }

  /** Throws when this process uses one of that name already; nothing is reserved. */
  assertUnused(asked: Asked, name?: string): void {
    const text = askedText(asked);
    if (name !== undefined) this.assertNameUnused(name);
    if (isAnyPort(asked)) return;
    for (const { asked: other, bound } of this.#used.keys()) {
      if (other === text || bound === text)
        throw inUse(text, 'another server of this process has that socket');
    }
  }

  assertNameUnused(name: string): void {
    for (const used of this.#used.keys()) {
      if (used.name === name) throw inUse(name, 'this process already has a descriptor of that name');
    }
  }

  /** From now on it is handed on. */
  use(descriptor: InUse, inherited: boolean): void {
    this.#used.set(descriptor, { inherited });
  }

  /** The number of an inherited one that was taken before; null where there is none. */
  inheritedInUse(name: string): number | null {
    for (const [used, { inherited }] of this.#used) if (inherited && used.name === name) return used.fd();
    return null;
  }

  release(descriptor: InUse): void {
    this.#used.delete(descriptor);
  }

  /** Those that belong to a server or socket of `listen` or `bind`. */
  get sockets(): InUse[] {
    return [...this.#used.keys()].filter(({ kind, owner }) => kind !== 'other' && owner !== null);
  }

  /** What a new process is given: all that is still open, and still the same file. */
  toHandOn(): HandedOn[] {
    return [...this.#used.keys()].flatMap((used) => {
      const { name, kind, asked, bound, path, identity } = used;
      const fd = used.fd();
      if (fd === null || !isSameFile(fd, identity)) return [];
      return [{ fd, described: { name, kind, asked, bound, path, identity } }];
    });
  }

  /**
   * Closes what was inherited and not taken. Returns the paths of those in the file system: they are the parent's as long as that one may
   * serve on.
   */
  closeUnused(): SocketPath[] {
    const unused = [...this.#inherited];
    this.#inherited.clear();
    for (const { fd } of unused) closeSync(fd);
    return unused.flatMap(({ path }) => (path === null ? [] : [path]));
  }

  list(): ListedDescriptor[] {
    const inherited = [...this.#inherited].map(({ name, kind, fd }) => ({
      name,
      kind,
      fd,
      inherited: true,
      used: false,
    }));
    const used = [...this.#used].flatMap(([one, { inherited }]) => {
      const fd = one.fd();
      return fd === null ? [] : [{ name: one.name, kind: one.kind, fd, inherited, used: true }];
    });
    return [...inherited, ...used];
  }
}

function isSameFile(fd: number, identity: Identity): boolean {
  try {
    return isSame(identify(fd), identity);
  } catch {
    return false;
  }
}

function inUse(what: string, why: string): Error {
  return Object.assign(new Error(`listen EADDRINUSE: ${what}: ${why}`), { code: 'EADDRINUSE' });
}
