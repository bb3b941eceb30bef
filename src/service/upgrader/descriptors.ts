import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { type Identity, identify } from './descriptor.ts';
import type { DescriptorTable, ListedDescriptor } from './descriptor-table.ts';
import { descriptorOf } from './handle.ts';

/**
 * What can be passed on besides servers: a number, or an object with a descriptor (a connection, a socket of
 * node:dgram, a FileHandle).
 */
export type Descriptor = number | Socket | DatagramSocket | { readonly fd: number };

/** Descriptors that are passed on to the new process, by name. */
export interface DescriptorsApi {
  /**
   * Passes a descriptor on at every upgrade as long as it is open. The library does not close or change it.
   * @throws TypeError if it is not a descriptor; EADDRINUSE if the name is in use; an UpgradeError while an upgrade is
   * in progress and after it
   */
  add(name: string, what: Descriptor): void;
  /**
   * Takes the descriptor that the previous process passed on under that name; null if it passed none. The caller owns
   * the descriptor from now on. It is passed on in turn as long as it is open.
   */
  get(name: string): number | null;
  /** All descriptors that are passed on, and before `ready()` those that were received and not taken. */
  list(): ListedDescriptor[];
}

export class Descriptors implements DescriptorsApi {
  readonly #table: DescriptorTable;
  readonly #assertMayOpen: () => void;

  constructor(table: DescriptorTable, assertMayOpen: () => void) {
    this.#table = table;
    this.#assertMayOpen = assertMayOpen;
  }

  add(name: string, what: Descriptor): void {
    if (typeof name !== 'string' || name === '') throw new TypeError('fds.add: the name is not a string');
    this.#assertMayOpen();
    const fd = reader(what);
    const now = fd();
    if (now === null) throw new TypeError(`fds.add: ${name} has no open descriptor`);
    this.#table.assertNameUnused(name);
    const owner = typeof what === 'number' ? null : what;
    const described = { name, kind: 'other', asked: null, bound: null, path: null } as const;
    this.#table.use({ ...described, identity: identityOf(name, now), fd, owner }, false);
  }

  get(name: string): number | null {
    const taken = this.#table.takeNamed(name);
    if (taken === null) return this.#table.inheritedInUse(name);
    const { fd, ...described } = taken;
    this.#table.use({ ...described, fd: () => fd, owner: null }, true);
    return fd;
  }

  list(): ListedDescriptor[] {
    return this.#table.list();
  }
}

function identityOf(name: string, fd: number): Identity {
  try {
    return identify(fd);
  } catch (error) {
    throw new TypeError(`fds.add: ${name}: descriptor ${fd} is not open`, { cause: error });
  }
}

function reader(what: Descriptor): () => number | null {
  if (typeof what === 'number') return () => what;
  // A closed FileHandle has the descriptor -1.
  if ('fd' in what && typeof what.fd === 'number') return () => (what.fd < 0 ? null : what.fd);
  return () => descriptorOf(what as Socket | DatagramSocket);
}
