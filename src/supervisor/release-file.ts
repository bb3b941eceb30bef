import fs from 'node:fs';
import type { ReleaseRecord } from '../history/release-record.ts';
import { kindOfExecutable } from '../workers/interpreter.ts';
import type { Release } from '../workers/release.ts';

/** What the history keeps of a release. */
export function recordOf(release: Release, args: readonly string[]): ReleaseRecord {
  const { executable, directory, identity, environmentNames } = release;
  return {
    path: executable,
    args,
    directory,
    kind: kindOfExecutable(executable, args),
    device: identity.device,
    inode: identity.inode,
    size: identity.size,
    mtime_ms: identity.mtimeMs,
    environment: environmentNames,
  };
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
      if (fd !== null && !closed) fs.closeSync(fd);
      closed = true;
    },
  };
}

function open(file: string): number | null {
  try {
    return fs.openSync(file, 'r');
  } catch {
    // Executing needs no permission to read; without one there is no copy.
    return null;
  }
}
