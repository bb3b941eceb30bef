import { lstatSync, type Stats } from 'node:fs';
import { errorCode } from '../../common/errors.ts';
import { groupMembers, lookupGroup, lookupUser } from '../users.ts';
import { hasAccessList } from './execute-permission.ts';
import { walkPath } from './path-walk.ts';

/** The users other than root whose directories are accepted on a path. */
export interface Trust {
  /** The user that the path is checked for. Default: this process's user. */
  readonly uid?: number;
  /**
   * Where a world-writable directory is accepted if it belongs to root and is sticky, like /tmp: only the owner of an
   * entry can replace it there. Default: not at the end of the path, because every user can create new entries.
   */
  readonly sticky?: 'on the way' | 'anywhere' | 'nowhere';
}

/**
 * Why a user other than root and the given one could change the target of `directory`, as text for an error message;
 * null if none could. The rule is in docs/security.md. A directory that does not exist yet is accepted: the caller that
 * creates it checks again. Throws the file system's error for a path that cannot be examined.
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
      // The mode of a link has no meaning (symlink(7)). Its directory was already checked.
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

/** Uid 0, or the owner of `/`: in a user namespace without root, that is the number for unknown users. */
function isRoot(uid: number): boolean {
  return uid === 0 || uid === lstatSync('/').uid;
}

function mayOthersWrite(path: string, stats: Stats, uid: number): boolean {
  if ((stats.mode & 0o002) !== 0) return true;
  if ((stats.mode & 0o020) === 0) return false;
  // With an access control list, these bits are its mask: they limit additional users, whom zero does not read
  // (acl(5)).
  return hasAccessList(path) || !(stats.gid === 0 || isPrivateGroup(stats.gid, uid));
}

/**
 * Whether a group contains only its user, as useradd(8) creates it. Recognised by the same name, as pam_umask(8) does
 * with usergroups.
 */
function isPrivateGroup(gid: number, uid: number): boolean {
  const user = lookupUser(String(uid));
  if (user === null || user.gid !== gid || lookupGroup(String(gid))?.name !== user.name) return false;
  return groupMembers(gid).every((member) => member === user.name);
}
