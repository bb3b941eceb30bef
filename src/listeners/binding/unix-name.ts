import { linkSync, lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FileIdentity, isFile } from '../../linux/bound-file.ts';

/** The names that a lane of a steered Unix listener has, beside the public one while it is published. */
export interface LaneNames {
  /** Under which it was bound: what getsockname(2) says in the service, which may unlink it. */
  readonly bound: string;
  /** A hard link of our own, which nobody else knows. */
  readonly kept: string;
}

/** `/run/app.sock` -> `/run/.app.sock.zero-0` and `/run/.app.sock.0`. */
export function laneNames(path: string, lane: number): LaneNames {
  const prefix = join(dirname(path), `.${basename(path)}`);
  return { bound: `${prefix}.zero-${lane}`, kept: `${prefix}.${lane}` };
}

/**
 * Makes `path` a name of the file that `names` lead to, in one step: somebody who connects meanwhile finds the one before or this one.
 * Throws what link(2) and rename(2) say: ENOENT where none of the names is left.
 */
export function publish(path: string, file: FileIdentity, names: readonly string[]): void {
  if (isFile(path, file)) return;
  const source = names.find((name) => isFile(name, file)) ?? names[0] ?? path;
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  rmSync(temporary, { force: true });
  linkSync(source, temporary);
  renameSync(temporary, path);
  // rename(2) does nothing where both are links of one file already, and leaves the temporary name.
  rmSync(temporary, { force: true });
}

/** Gives the file back those of its names that are gone; a name that is somebody else's now is left alone. */
export function restoreNames(file: FileIdentity, names: readonly string[]): void {
  const source = names.find((name) => isFile(name, file));
  if (source === undefined) return;
  for (const name of names) {
    if (lstatSync(name, { throwIfNoEntry: false }) === undefined) linkSync(source, name);
  }
}

/** Takes away those of the names that are still the file's. */
export function removeNames(file: FileIdentity, names: readonly string[]): void {
  for (const name of names) {
    try {
      if (isFile(name, file)) unlinkSync(name);
    } catch {
      // A directory that has become read-only: the next start replaces the stale socket.
    }
  }
}
