import { fstatSync } from 'node:fs';

/** The open file behind a descriptor: a number is given to another file once it was closed, these two are not while it is open. */
export interface Identity {
  readonly dev: number;
  readonly ino: number;
}

/** Throws EBADF. */
export function identify(fd: number): Identity {
  const { dev, ino } = fstatSync(fd);
  return { dev, ino };
}

export const isSame = (one: Identity, other: Identity): boolean =>
  one.dev === other.dev && one.ino === other.ino;

/** A path in the file system with the inode that a socket was bound to there. */
export interface SocketPath extends Identity {
  readonly path: string;
}

/** `listener` and `datagram` are sockets of `listen` and `bind`; `other` was added with `add`. */
export type DescriptorKind = 'listener' | 'datagram' | 'other';

/** What two processes have to know about a descriptor that one gives the other. */
export interface Described {
  readonly name: string;
  readonly kind: DescriptorKind;
  /** As the program asked for it, see `askedText`; null for what was added by hand. */
  readonly asked: string | null;
  /** As the kernel bound it, see `boundText`; null where it has no host and port. */
  readonly bound: string | null;
  /** Of a Unix socket that has one: its last owner removes it. */
  readonly path: SocketPath | null;
  readonly identity: Identity;
}

/** One that the parent handed over: at `fd` in this process. */
export interface Inherited extends Described {
  readonly fd: number;
}
