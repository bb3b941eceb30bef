import { lstatSync, type Stats } from 'node:fs';
import { errorCode } from '../../common/errors.ts';
import { groupMembers, lookupGroup, lookupUser } from '../users.ts';
import { hasAccessList } from './execute-permission.ts';
import { walkPath } from './path-walk.ts';

/** Whose directories a path may lead through, besides those of root. */
export interface Trust {
  /** The user for whom the path is checked; this process's own by default. */
  readonly uid?: number;
  /**
   * Where a directory that everybody may write to is accepted if it is root's and sticky, as /tmp is: nobody but the
   * owner of an entry can replace it there. Not at the end by default, because anybody can make new entries.
   */
  readonly sticky?: 'on the way' | 'anywhere' | 'nowhere';
}

/**
 * Why somebody other than root and the user could change what `directory` leads to, in words for an error message; null
 * where nobody can. The rule is in docs/security.md. A directory that does not exist yet is no reason: the caller
 * that creates it checks again. Throws the file system's error for a path that cannot be looked at.
 */
export function distrust(
  directory: string,
  { uid = ownUid(), sticky = 'on the way' }: Trust = {},
): string | null {
  try {
    for (const { path, stats, isLast } of walkPath(directory)) {
      const isRoots = isRoot(stats.uid);
      if (!isRoots && stats.uid !== uid) {
        const what = stats.isSymbolicLink() ? 'is a symbolic link that belongs' : 'belongs';
        return `${path} ${what} to uid ${stats.uid}, not to root or uid ${uid}`;
      }
      // What the mode of a link says has no meaning (symlink(7)); its directory was checked before it.
      if (stats.isSymbolicLink() || !mayOthersWrite(path, stats, uid)) continue;
      const isSticky = isRoots && (stats.mode & STICKY) !== 0;
      if (isSticky && (sticky === 'anywhere' || (sticky === 'on the way' && !isLast))) continue;
      return `${path} is writable by other users (mode ${(stats.mode & 0o7777).toString(8)})`;
    }
    return null;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

const STICKY = 0o1000;

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

/** Uid 0, or the owner of `/`: in a user namespace without root that is the number for unknown users. */
function isRoot(uid: number): boolean {
  return uid === 0 || uid === lstatSync('/').uid;
}

function mayOthersWrite(path: string, stats: Stats, uid: number): boolean {
  if ((stats.mode & 0o002) !== 0) return true;
  if ((stats.mode & 0o020) === 0) return false;
  // With an access control list these bits are its mask: they limit further users, who are not looked up (acl(5)).
  return hasAccessList(path) || !(stats.gid === 0 || isPrivateGroup(stats.gid, uid));
}

/** A group that only its user is in, as useradd(8) makes it and pam_umask(8), usergroups, finds it: by the same name. */
function isPrivateGroup(gid: number, uid: number): boolean {
  const user = lookupUser(String(uid));
  if (user === null || user.gid !== gid || lookupGroup(String(gid))?.name !== user.name) return false;
  return groupMembers(gid).every((member) => member === user.name);
}
