import { type BigIntStats, fstatSync, statSync } from 'node:fs';

/**
 * One regular file on this machine. Numbers are decimal text: an inode can be larger than the integers that JSON
 * readers keep exact. The kernel uses a number again after its file was removed. The time of birth (statx(2)) tells
 * the two files apart; it is 0 where the file system has none.
 */
export interface FileIdentity {
  readonly device: string;
  readonly inode: string;
  readonly birth_ns: string;
}

/** The file behind a descriptor; null where it is not a regular file. */
export function identityOf(fd: number): FileIdentity | null {
  return identity(fstatSync(fd, { bigint: true }));
}

/** The file that a path leads to now; null where this user finds no regular file there. */
export function identityAt(file: string): FileIdentity | null {
  try {
    return identity(statSync(file, { bigint: true }));
  } catch {
    return null;
  }
}

/** Whether both were the same file when they were looked at, at the same time. */
export function isSameInode(one: FileIdentity, other: FileIdentity): boolean {
  return one.device === other.device && one.inode === other.inode;
}

/** Whether both are the same file, looked at at different times. */
export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return isSameInode(one, other) && one.birth_ns === other.birth_ns && one.birth_ns !== '0';
}

function identity(stats: BigIntStats): FileIdentity | null {
  if (!stats.isFile()) return null;
  const { dev, ino, birthtimeNs } = stats;
  return { device: String(dev), inode: String(ino), birth_ns: String(birthtimeNs) };
}
