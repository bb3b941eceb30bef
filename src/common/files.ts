import { readlinkSync, realpathSync, rmSync, type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';

/** The stats of the target of a path; null if it does not exist or is not accessible. */
export function statsOf(path: string): Stats | null {
  return orNull(() => statSync(path));
}

/** The path without symbolic links; null if it does not exist or is not accessible. */
export function realPathOf(path: string): string | null {
  return orNull(() => realpathSync(path));
}

/** The target of a symbolic link as it is written; null for any other file, or if it is not accessible. */
export function linkOf(path: string): string | null {
  return orNull(() => readlinkSync(path));
}

/** Removes a file if that is possible: on a read-only file system the file stays (EROFS). */
export function removeFile(path: string): void {
  orNull(() => rmSync(path, { force: true }));
}

/** $HOME, otherwise the directory from the password database; null if both are unknown, as in many containers. */
export function homeDirectory(): string | null {
  // uv_os_homedir fails if passwd(5) has no entry for the uid.
  return orNull(() => homedir()) || null;
}

function orNull<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch {
    return null;
  }
}
