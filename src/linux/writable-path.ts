import { accessSync, constants, type Stats } from 'node:fs';
import type { Identity } from './execute-permission.ts';
import { type PathStep, walkPath } from './path-walk.ts';

/** A place on the path of a file or directory at which somebody can change it, or put another one in its place. */
export interface Opening {
  readonly path: string;
  /** The file itself, a directory on its path, or a symbolic link in a directory like /tmp. */
  readonly kind: 'file' | 'directory' | 'link';
  /** By which right: an owner can also give itself the permission to write (chmod(2)). */
  readonly by: 'owner' | 'group' | 'others';
  readonly uid: number;
  /** Permission bits, 0o755. */
  readonly mode: number;
}

const STICKY = 0o1000;

/**
 * Where every user can change a file or directory, or put another one in its place; null where only certain users can. In a directory
 * with the sticky bit, such as /tmp, an entry can be replaced only by its owner and that of the directory (inode(7)).
 * Access control lists are not looked at. null for what is neither a regular file nor a directory, or does not exist.
 */
export function openToEverybody(path: string): Opening | null {
  return firstOpening(path, ({ stats }) => (stats.mode & 0o002) !== 0 && 'others');
}

/** The same of one user. */
export function openToUser(file: string, { uid, gid, groups }: Identity): Opening | null {
  if (uid === 0) return null;
  return firstOpening(file, ({ stats }) => {
    if (stats.uid === uid) return 'owner';
    // The first class that fits decides (path_resolution(7)).
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
      // What the mode of a link says has no meaning (symlink(7)); its owner can replace it in a directory like /tmp.
      const isSticky = stats.isDirectory() && (stats.mode & STICKY) !== 0;
      const counts = isLink ? parentIsSticky && by === 'owner' : !isSticky || by === 'owner';
      if (by && counts && !isReadOnly(path)) {
        const kind = isLink ? 'link' : isLast && stats.isFile() ? 'file' : 'directory';
        found = { path, kind, by, uid: stats.uid, mode: stats.mode & 0o7777 };
      }
      parentIsSticky = isSticky;
    }
  } catch {
    // It is missing, or a link of /proc that leads to no path: reading or executing it says so.
    return null;
  }
  return last?.isFile() || last?.isDirectory() ? found : null;
}

/** On a file system that is mounted read-only, such as a ConfigMap of Kubernetes with its mode 0777, nobody can write. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}
