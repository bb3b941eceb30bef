import { linkSync, lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FileIdentity, isFile } from '../../linux/bound-file.ts';

/** The names of a lane of a steered Unix listener. While it is published, it has the public name, too. */
export interface LaneNames {
  /** The name given to bind(2). getsockname(2) returns it in the service, which may unlink it. */
  readonly bound: string;
  /** zero's own hard link, which no other program knows. */
  readonly kept: string;
}

/** `/run/app.sock` -> `/run/.app.sock.zero-0` and `/run/.app.sock.0`. */
export function laneNames(path: string, lane: number): LaneNames {
  const prefix = join(dirname(path), `.${basename(path)}`);
  return { bound: `${prefix}.zero-${lane}`, kept: `${prefix}.${lane}` };
}

/**
 * Atomically makes `path` a name of the file that `names` lead to. A client that connects meanwhile reaches the
 * previous socket or this one. Throws the errors of link(2) and rename(2): ENOENT if none of the names is left.
 */
export function publish(path: string, file: FileIdentity, names: readonly string[]): void {
  if (isFile(path, file)) return;
  const source = names.find((name) => isFile(name, file)) ?? names[0] ?? path;
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  rmSync(temporary, { force: true });
  linkSync(source, temporary);
  renameSync(temporary, path);
  // rename(2) does nothing if both names already are links of one file, and keeps the temporary name.
  rmSync(temporary, { force: true });
}

/** Restores the missing names of the file. A name that leads to another file is left alone. */
export function restoreNames(file: FileIdentity, names: readonly string[]): void {
  const source = names.find((name) => isFile(name, file));
  if (source === undefined) return;
  for (const name of names) {
    if (lstatSync(name, { throwIfNoEntry: false }) === undefined) linkSync(source, name);
  }
}

/** Removes the names that still lead to the file. */
export function removeNames(file: FileIdentity, names: readonly string[]): void {
  for (const name of names) {
    try {
      if (isFile(name, file)) unlinkSync(name);
    } catch {
      // The directory has become read-only. The next start replaces the stale socket.
    }
  }
}
