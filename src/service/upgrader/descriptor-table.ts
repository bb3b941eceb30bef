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

/** A descriptor that this process uses. `fd` is null after its owner has closed it. */
export interface InUse extends Described {
  fd(): number | null;
  /** The server or socket that owns it; null for a bare descriptor. */
  readonly owner: object | null;
}

/** A descriptor of this process with its description for the new process. */
export interface HandedOn {
  readonly fd: number;
  readonly described: Described;
}

/** One entry of `list`. */
export interface ListedDescriptor {
  /** The given name, or the requested address, for example `tcp:127.0.0.1:8080`, `udp4:*:53`, `unix:/run/app.sock`. */
  readonly name: string;
  readonly kind: DescriptorKind;
  /** Its number in this process. */
  readonly fd: number;
  /** Passed on by the previous process. */
  readonly inherited: boolean;
  /** Used by this process. `ready` closes inherited descriptors that are not used. */
  readonly used: boolean;
}

/** The descriptors of one process: those that it inherited, and those that it will pass on. */
export class DescriptorTable {
  readonly #inherited = new Set<Inherited>();
  readonly #used = new Map<InUse, { readonly inherited: boolean }>();

  /** Throws if a descriptor is not the file that the parent described. */
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
   * Takes the inherited socket that a program asks for: by name, otherwise by the address that was requested when it
   * was opened, otherwise by the address that it is bound to. Null if there is none. Of several sockets that were
   * opened on any port, the oldest comes first.
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

  /** Takes any inherited descriptor by its name. */
  takeNamed(name: string): Inherited | null {
    const found = this.#find((one) => one.name === name);
    if (found !== null) this.#inherited.delete(found);
    return found;
  }

  /** Why a port cannot be bound again: an inherited socket, which was not taken, has this port. */
  holderOf(port: number): string | null {
    return this.#find(({ bound }) => bound?.endsWith(`:${port}`) ?? false)?.name ?? null;
  }

  #find(matches: (one: Inherited) => boolean): Inherited | null {
    for (const one of this.#inherited) if (matches(one)) return one;
    return null;
  }

  /** Throws if this process already uses a descriptor with that name. Reserves nothing. */
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

  /** Passes the descriptor on from now on. */
  use(descriptor: InUse, inherited: boolean): void {
    this.#used.set(descriptor, { inherited });
  }

  /** The number of an inherited descriptor that was taken before; null if there is none. */
  inheritedInUse(name: string): number | null {
    for (const [used, { inherited }] of this.#used) if (inherited && used.name === name) return used.fd();
    return null;
  }

  release(descriptor: InUse): void {
    this.#used.delete(descriptor);
  }

  /** The descriptors that belong to a server or socket of `listen` or `bind`. */
  get sockets(): InUse[] {
    return [...this.#used.keys()].filter(({ kind, owner }) => kind !== 'other' && owner !== null);
  }

  /** The descriptors for a new process: all that are still open and still the same file. */
  toHandOn(): HandedOn[] {
    return [...this.#used.keys()].flatMap((used) => {
      const { name, kind, asked, bound, path, identity } = used;
      const fd = used.fd();
      if (fd === null || !isSameFile(fd, identity)) return [];
      return [{ fd, described: { name, kind, asked, bound, path, identity } }];
    });
  }

  /**
   * Closes the inherited descriptors that were not taken. Returns their paths in the file system: they belong to the
   * parent as long as the parent may keep serving.
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
