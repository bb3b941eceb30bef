import { accessSync, constants, type Stats } from 'node:fs';
import { errorCode } from '../../common/errors.ts';
import type { Identity } from './execute-permission.ts';
import { type PathStep, walkPath } from './path-walk.ts';

/** A place on the path of a file or directory where a user can change or replace it. */
export interface Opening {
  readonly path: string;
  /** The file itself, a directory on its path, or a symbolic link in a directory like /tmp. */
  readonly kind: 'file' | 'directory' | 'link';
  /** The right that allows it. An owner can also give itself write permission (chmod(2)). */
  readonly by: 'owner' | 'group' | 'others';
  readonly uid: number;
  /** Permission bits, 0o755. */
  readonly mode: number;
}

const STICKY = 0o1000;

/**
 * The place where every user can change or replace a file or directory. Null: only certain users can. In a directory
 * with the sticky bit, such as /tmp, only the owner of an entry and of the directory can replace the entry (inode(7)).
 * Access control lists are ignored. Null for other types of files, and for a path that does not exist.
 */
export function openToEverybody(path: string): Opening | null {
  return firstOpening(path, ({ stats }) => (stats.mode & 0o002) !== 0 && 'others');
}

/** The same for one user. */
export function openToUser(file: string, { uid, gid, groups }: Identity): Opening | null {
  if (uid === 0) return null;
  return firstOpening(file, ({ stats }) => {
    if (stats.uid === uid) return 'owner';
    // The first class that matches decides (path_resolution(7)).
    if (stats.gid === gid || groups.includes(stats.gid)) return (stats.mode & 0o020) !== 0 && 'group';
    return (stats.mode & 0o002) !== 0 && 'others';
  });
}

function firstOpening(file: string, how: (step: PathStep) => Opening['by'] | false): Opening | null {
  let parentIsSticky = false;
  let last: Stats | null = null;
  let found: Opening | null = null;
  try {
    for (const step of walkPath(file)) {
      const { path, stats, isLast } = step;
      last = stats;
      if (found !== null) continue;
      const by = how(step);
      const isLink = stats.isSymbolicLink();
      // The mode of a link has no meaning (symlink(7)). Its owner can replace it in a directory like /tmp.
      const isSticky = stats.isDirectory() && (stats.mode & STICKY) !== 0;
      const counts = isLink ? parentIsSticky && by === 'owner' : !isSticky || by === 'owner';
      if (by && counts && !isReadOnly(path)) {
        const kind = isLink ? 'link' : isLast && stats.isFile() ? 'file' : 'directory';
        found = { path, kind, by, uid: stats.uid, mode: stats.mode & 0o7777 };
      }
      parentIsSticky = isSticky;
    }
  } catch {
    // A missing file, or a link of /proc without a path. Reading or executing it reports the error.
    return null;
  }
  return last?.isFile() || last?.isDirectory() ? found : null;
}

/**
 * Whether the file system is mounted read-only, so that no user can write, such as a ConfigMap of Kubernetes (mode
 * 0777).
 */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return errorCode(error) === 'EROFS';
  }
}
