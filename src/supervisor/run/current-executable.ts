import { type FileIdentity, fileAt, isSameFile } from '../../history/release-record.ts';
import { mayExecute } from '../../linux/users.ts';
import type { TargetUser } from '../../workers/spawning/target-user.ts';
import type { Prepared } from './prepare.ts';
import { openExecutable, recordOf } from './release-file.ts';

/**
 * Compares what a process of a generation would execute now with the release of that generation.
 *
 * - `same`: its executable, and the scripts that its arguments name, are the files that the generation was started
 *   with.
 * - `kept copy`: the executable was replaced or removed. `executable` is the copy that zero keeps.
 * - `changed, no copy`: the executable or a script was replaced or removed, and zero has no copy. `executable` is the
 *   path of the release. The file at this path may belong to another release or be missing.
 *
 * zero restarts a crashed worker in all three cases, because no other process serves its connections. In the last case
 * zero must not replace a running worker: that would deploy a release that the user did not request.
 */
export type CurrentExecutable =
  | { readonly answer: 'same'; readonly executable: string }
  | {
      readonly answer: 'kept copy' | 'changed, no copy';
      readonly executable: string;
      /** Reports which file has changed: a sentence without its period. */
      readonly reason: string;
    };

/** The files that releases are made of. The simulation has a disk in memory. */
export interface ReleaseFiles {
  /** The file at a path now; null if none exists. */
  readonly fileAt: (path: string) => (FileIdentity & { readonly device: number }) | null;
  /** The copy that zero keeps of a generation's executable, unchanged since it was made; null without such a copy. */
  readonly copyOf: (generation: number) => string | null;
  /** Why a user could not execute a file; null if zero finds no reason. */
  readonly mayExecute: (path: string, user: TargetUser | null) => string | null;
}

/** The files on the disk. */
export function releaseFiles(copyOf: ReleaseFiles['copyOf']): ReleaseFiles {
  return { fileAt, copyOf, mayExecute };
}

/** Compares a generation's release with the files on disk now. Calls stat(2) once per file. */
export function currentExecutable(
  generation: number,
  { release, record, user }: Prepared,
  files: ReleaseFiles,
): CurrentExecutable {
  const { executable } = release;
  const changed = changeOf(executable, fileOf(release), files);
  const other = changed ?? firstChange(record.scripts ?? [], files);
  if (other === null) return { answer: 'same', executable };
  // A copy of the interpreter does not restore the script.
  const copy = changed === null ? null : files.copyOf(generation);
  if (copy === null || copy === executable) return { answer: 'changed, no copy', executable, reason: other };
  const forbidden = files.mayExecute(copy, user);
  if (forbidden === null) return { answer: 'kept copy', executable: copy, reason: other };
  const reason = `${other}, and its copy ${copy} cannot be used: ${forbidden}`;
  return { answer: 'changed, no copy', executable, reason };
}

/**
 * A prepared release with its executable as it is now, for a new generation. A hook may have built the executable after
 * the preparation, or the handover may have waited for older generations.
 */
export function withCurrentFiles(prepared: Prepared, files: ReleaseFiles): Prepared {
  const { release, record, rollbackTo } = prepared;
  const now = files.fileAt(release.executable);
  const isUnchanged =
    changeOf(release.executable, fileOf(release), files) === null &&
    firstChange(record.scripts ?? [], files) === null;
  if (rollbackTo !== null || now === null || isUnchanged) return prepared;
  const { device, inode, size, mtime_ms: mtimeMs } = now;
  const newer = { ...release, identity: { device, inode, size, mtimeMs } };
  const newRecord = recordOf(newer, record.args);
  const executable = openExecutable(newer, newRecord);
  const close = () => {
    prepared.close();
    executable.close();
  };
  return { ...prepared, release: newer, record: newRecord, source: executable.fd, close };
}

type Known = FileIdentity & { readonly device?: number };

function fileOf({ identity }: Prepared['release']): Known {
  const { device, inode, size, mtimeMs } = identity;
  return { device, inode, size, mtime_ms: mtimeMs };
}

function firstChange(
  scripts: readonly (FileIdentity & { readonly path: string })[],
  files: ReleaseFiles,
): string | null {
  for (const script of scripts) {
    const change = changeOf(script.path, script, files);
    if (change !== null) return change;
  }
  return null;
}

function changeOf(path: string, known: Known, { fileAt }: ReleaseFiles): string | null {
  const now = fileAt(path);
  if (now === null) return `${path} does not exist any more`;
  const isSame = isSameFile(now, known) && (known.device === undefined || now.device === known.device);
  return isSame ? null : `${path} was replaced`;
}
