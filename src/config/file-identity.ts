import { type BigIntStats, fstatSync, statSync } from 'node:fs';

/**
 * Identifies one regular file on this machine. Numbers are decimal text, because an inode can exceed the range of exact
 * integers in JSON readers. The kernel reuses an inode number after the file was removed. The birth time (statx(2))
 * distinguishes the two files; it is 0 if the file system has none.
 */
export interface FileIdentity {
  readonly device: string;
  readonly inode: string;
  readonly birth_ns: string;
}

/** The file behind a descriptor; null if it is not a regular file. */
export function identityOf(fd: number): FileIdentity | null {
  return identity(fstatSync(fd, { bigint: true }));
}

/** The file at a path; null if this user finds no regular file there. */
export function identityAt(file: string): FileIdentity | null {
  try {
    return identity(statSync(file, { bigint: true }));
  } catch {
    return null;
  }
}

/** Whether both identities are the same file, if both were read at the same time. */
export function isSameInode(one: FileIdentity, other: FileIdentity): boolean {
  return one.device === other.device && one.inode === other.inode;
}

/** Whether both identities are the same file, if they were read at different times. */
export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return isSameInode(one, other) && one.birth_ns === other.birth_ns && one.birth_ns !== '0';
}

function identity(stats: BigIntStats): FileIdentity | null {
  if (!stats.isFile()) return null;
  const { dev, ino, birthtimeNs } = stats;
  return { device: String(dev), inode: String(ino), birth_ns: String(birthtimeNs) };
}
