import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { errnoNumber } from '../errors.ts';
import { rawCall } from '../libc.ts';
import { type PathStep, walkPath } from './path-walk.ts';

/** The user whose permissions are checked: numbers as in the password database. */
export interface Identity {
  uid: number;
  gid: number;
  groups: readonly number[];
}

/**
 * Why a user could not execute a file, or null if no reason was found. `user` null is this process's own user. Follows
 * path_resolution(7): search permission on every directory of the path, links included, then execute permission on a
 * regular file. Root needs any one x bit. With an access control list, the result is left to the kernel.
 */
export function mayExecute(path: string, user: Identity | null): string | null {
  return whyNot(path, user, 'file');
}

/** The same for a directory in which a user wants to look up an entry. */
export function maySearch(directory: string, user: Identity | null): string | null {
  return whyNot(directory, user, 'directory');
}

type Kind = 'file' | 'directory';

function whyNot(path: string, user: Identity | null, kind: Kind): string | null {
  if (user === null && kernelAllows(path, kind)) return null;
  const identity = user ?? ownIdentity();
  try {
    const reason = walk(path, identity, kind);
    if (reason !== null) return reason;
  } catch (error) {
    return describe(error, path);
  }
  // Mount options (noexec) forbid it to everyone. Only access(2) checks them.
  const ownUid = process.geteuid?.() ?? -1;
  if (user !== null && ownUid !== 0 && ownUid !== user.uid) return null;
  try {
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    return `${describe(error, path)} (is its file system mounted noexec?)`;
  }
}

/** For this process the kernel answers in two calls. Only a walk finds the reason for a refusal. */
function kernelAllows(path: string, kind: Kind): boolean {
  // access(2) checks the real user.
  if (process.getuid?.() !== process.geteuid?.()) return false;
  try {
    accessSync(path, constants.X_OK);
    const stats = statSync(path);
    return kind === 'file' ? stats.isFile() : stats.isDirectory();
  } catch {
    return false;
  }
}

function walk(path: string, identity: Identity, kind: Kind): string | null {
  let last: PathStep | null = null;
  for (const step of walkPath(path)) {
    if (step.stats.isSymbolicLink()) continue;
    if (!step.isLast && !mayUse(step.path, step.stats, identity))
      return `EACCES: no search permission on directory ${step.path}`;
    last = step;
  }
  if (last === null) return null;
  const { path: current, stats } = last;
  const may = mayUse(current, stats, identity);
  if (kind === 'directory') {
    if (!stats.isDirectory()) return `ENOTDIR: not a directory: ${current}`;
    return may ? null : `EACCES: no search permission on directory ${current}`;
  }
  if (stats.isDirectory()) return `EISDIR: is a directory: ${current}`;
  if (!stats.isFile()) return `EACCES: not a regular file: ${current}`;
  return may ? null : `EACCES: no execute permission on ${current}`;
}

// The first class that matches decides, even if a later one would allow it (path_resolution(7)).
function mayUse(path: string, stats: Stats, { uid, gid, groups }: Identity): boolean {
  if (uid === 0) return stats.isDirectory() || (stats.mode & 0o111) !== 0;
  if (stats.uid === uid) return (stats.mode & 0o100) !== 0;
  const ofGroup = stats.gid === gid || groups.includes(stats.gid);
  return (stats.mode & (ofGroup ? 0o010 : 0o001)) !== 0 || hasAccessList(path);
}

/** Whether an access control list gives additional users rights to a file (acl(5)). */
export function hasAccessList(path: string): boolean {
  return rawCall('getxattr', path, 'system.posix_acl_access', null, 0) > 0;
}

function ownIdentity(): Identity {
  return {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
  };
}

function describe(error: unknown, path: string): string {
  const { code, path: where = path } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `ENOENT: no such file: ${where}`;
  if (code === 'ENOTDIR') return `ENOTDIR: not a directory: ${where}`;
  if (code === 'ELOOP') return `ELOOP: too many symbolic links: ${path}`;
  return `${code ?? String(errnoNumber('EIO'))}: cannot inspect ${where}`;
}
