import { accessSync, constants, lstatSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoNumber } from './errors.ts';
import { rawCall } from './libc.ts';

/** Whose permissions count: numbers as in the password database. */
export interface Identity {
  uid: number;
  gid: number;
  groups: readonly number[];
}

const MAX_SYMLINKS = 40;

/**
 * Why a user could not execute a file, or null when nothing speaks against it. `user` null is this process's own. Follows
 * path_resolution(7): search permission on every directory on the way, links included, then execute permission on a
 * regular file; root needs one x bit of any kind. Where an access control list is set its outcome is left to the kernel.
 */
export function mayExecute(path: string, user: Identity | null): string | null {
  return whyNot(path, user, 'file');
}

/** The same of a directory that a user wants to look something up in. */
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
  // Mount options (noexec) forbid it to everybody; only access(2) knows them.
  const ownUid = process.geteuid?.() ?? -1;
  if (user !== null && ownUid !== 0 && ownUid !== user.uid) return null;
  try {
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    return `${describe(error, path)} (is its file system mounted noexec?)`;
  }
}

/** About this process the kernel can be asked, in two calls; why not is found by walking. */
function kernelAllows(path: string, kind: Kind): boolean {
  // access(2) is about the real user.
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
  // Not path.join: it would resolve `..` before the links in front of it.
  const absolute = path.startsWith('/') ? path : `${process.cwd()}/${path}`;
  const pending = absolute.split('/').filter((part) => part !== '');
  let current = '/';
  let stats = lstatSync(current);
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (!mayUse(current, stats, identity)) return `EACCES: no search permission on directory ${current}`;
    if (part === '..') {
      current = dirname(current);
      stats = lstatSync(current);
      continue;
    }
    if (part === '.') continue;
    const next = join(current, part);
    const entry = lstatSync(next);
    if (entry.isSymbolicLink()) {
      links += 1;
      if (links > MAX_SYMLINKS) return `ELOOP: too many symbolic links: ${path}`;
      const target = readlinkSync(next);
      pending.unshift(...target.split('/').filter((name) => name !== ''));
      if (!target.startsWith('/')) continue;
      current = '/';
      stats = lstatSync(current);
    } else if (pending.length > 0 && !entry.isDirectory()) {
      return `ENOTDIR: not a directory: ${next}`;
    } else {
      current = next;
      stats = entry;
    }
  }
  const may = mayUse(current, stats, identity);
  if (kind === 'directory') {
    if (!stats.isDirectory()) return `ENOTDIR: not a directory: ${current}`;
    return may ? null : `EACCES: no search permission on directory ${current}`;
  }
  if (stats.isDirectory()) return `EISDIR: is a directory: ${current}`;
  if (!stats.isFile()) return `EACCES: not a regular file: ${current}`;
  return may ? null : `EACCES: no execute permission on ${current}`;
}

// The first class that fits decides, even when a later one would allow it (path_resolution(7)).
function mayUse(path: string, stats: Stats, { uid, gid, groups }: Identity): boolean {
  if (uid === 0) return stats.isDirectory() || (stats.mode & 0o111) !== 0;
  if (stats.uid === uid) return (stats.mode & 0o100) !== 0;
  const ofGroup = stats.gid === gid || groups.includes(stats.gid);
  return (stats.mode & (ofGroup ? 0o010 : 0o001)) !== 0 || hasAccessList(path);
}

function hasAccessList(path: string): boolean {
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
  return `${code ?? String(errnoNumber('EIO'))}: cannot look at ${where}`;
}
