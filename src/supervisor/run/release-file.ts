import { closeSync, openSync } from 'node:fs';
import { type FileRecord, type ReleaseRecord, statsOf } from '../../history/release-record.ts';
import { kindOfExecutable } from '../../workers/spawning/interpreter.ts';
import type { Release } from '../../workers/spawning/release.ts';

/** What the history keeps of a release. */
export function recordOf(release: Release, args: readonly string[]): ReleaseRecord {
  const { executable, directory, identity, environmentNames } = release;
  const kind = kindOfExecutable(executable, args);
  return {
    path: executable,
    args,
    directory,
    kind,
    device: identity.device,
    inode: identity.inode,
    size: identity.size,
    mtime_ms: identity.mtimeMs,
    environment: environmentNames,
    ...(kind === 'interpreter' && { scripts: filesIn(args, directory) }),
  };
}

/** The files that an executable runs because its arguments name them; none for a program of its own. */
export function scriptsOf(executable: string, args: readonly string[], directory: string): FileRecord[] {
  return kindOfExecutable(executable, args) === 'interpreter' ? filesIn(args, directory) : [];
}

/** More arguments than that are not looked at. */
const MAX_ARGUMENTS = 64;

const PROGRAM_TEXT = /\.(?:[cm]?[jt]sx?|py[cz]?|rb|p[lm]|php|phar|jar|war|dll|sh|lua|exs?|tcl|scm|R)$/;

/**
 * The files that an interpreter runs: the arguments that name a file with the ending of program text, else the first
 * one that names a file. Other arguments may be data that changes while the program runs.
 */
function filesIn(args: readonly string[], directory: string): FileRecord[] {
  const files = args.slice(0, MAX_ARGUMENTS).flatMap((argument) => {
    const path = argument.startsWith('/') ? argument : `${directory}/${argument}`;
    const stats = argument === '' || argument.startsWith('-') ? null : statsOf(path);
    return stats?.isFile() ? [{ path, inode: stats.ino, size: stats.size, mtime_ms: stats.mtimeMs }] : [];
  });
  const programs = files.filter(({ path }) => PROGRAM_TEXT.test(path));
  return programs.length > 0 ? programs : files.slice(0, 1);
}

/** A descriptor that means these bytes also when the path is another file later. None for an interpreter, or what cannot be read. */
export function openExecutable(
  { executable }: Release,
  { kind }: ReleaseRecord,
): { readonly fd: number | null; close(): void } {
  const fd = kind === 'interpreter' ? null : open(executable);
  let closed = fd === null;
  return {
    fd,
    close() {
      if (fd !== null && !closed) closeSync(fd);
      closed = true;
    },
  };
}

function open(file: string): number | null {
  try {
    return openSync(file, 'r');
  } catch {
    // Executing needs no permission to read; without one there is no copy.
    return null;
  }
}
