import { fstatSync } from 'node:fs';

/**
 * Identifies the open file behind a descriptor. A closed descriptor's number is reused for another file, but device and
 * inode stay the same while the file is open.
 */
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

/** The description of a descriptor that one process passes to another. */
export interface Described {
  readonly name: string;
  readonly kind: DescriptorKind;
  /** The address that the program requested, see `askedText`; null for a descriptor that was added with `add`. */
  readonly asked: string | null;
  /** The address that the kernel bound, see `boundText`; null if it has no host and port. */
  readonly bound: string | null;
  /** For a Unix socket with a path, which its last owner removes. */
  readonly path: SocketPath | null;
  readonly identity: Identity;
}

/** A descriptor that the parent passed on, with its number in this process. */
export interface Inherited extends Described {
  readonly fd: number;
}
