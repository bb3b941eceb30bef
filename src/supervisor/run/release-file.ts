import { closeSync, openSync } from 'node:fs';
import { statsOf } from '../../common/files.ts';
import type { FileRecord, ReleaseRecord } from '../../history/release-record.ts';
import { kindOfExecutable } from '../../workers/spawning/interpreter.ts';
import type { Release } from '../../workers/spawning/release.ts';

/** The record of a release in the history. */
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

/** The files that an executable runs because its arguments name them. Empty for a program that is no interpreter. */
export function scriptsOf(executable: string, args: readonly string[], directory: string): FileRecord[] {
  return kindOfExecutable(executable, args) === 'interpreter' ? filesIn(args, directory) : [];
}

/** The maximum number of arguments that zero checks. */
const MAX_ARGUMENTS = 64;

const PROGRAM_TEXT = /\.(?:[cm]?[jt]sx?|py[cz]?|rb|p[lm]|php|phar|jar|war|dll|sh|lua|exs?|tcl|scm|R)$/;

/**
 * The files that an interpreter runs: the arguments that name a file with a source-code extension, else the first
 * argument that names a file. Other arguments may be data that changes while the program runs.
 */
function filesIn(args: readonly string[], directory: string): FileRecord[] {
  const files = namedFiles(args, directory);
  const programs = files.filter(({ path }) => PROGRAM_TEXT.test(path));
  return programs.length > 0 ? programs : files.slice(0, 1);
}

/** The regular files that arguments name, such as scripts and the files that a script reads. */
export function namedFiles(args: readonly string[], directory: string): FileRecord[] {
  return args.slice(0, MAX_ARGUMENTS).flatMap((argument) => {
    const path = argument.startsWith('/') ? argument : `${directory}/${argument}`;
    const stats = argument === '' || argument.startsWith('-') ? null : statsOf(path);
    return stats?.isFile() ? [{ path, inode: stats.ino, size: stats.size, mtime_ms: stats.mtimeMs }] : [];
  });
}

/**
 * Opens the executable. The descriptor keeps these bytes even when the path later names another file. null for an
 * interpreter, or an unreadable file.
 */
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
    // Executing a file needs no read permission. Without that permission zero keeps no copy.
    return null;
  }
}
