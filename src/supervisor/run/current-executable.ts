import { type FileIdentity, fileAt, isSameFile } from '../../history/release-record.ts';
import { mayExecute } from '../../linux/users.ts';
import type { TargetUser } from '../../workers/spawning/target-user.ts';
import type { Prepared } from './prepare.ts';
import { openExecutable, recordOf } from './release-file.ts';

/**
 * What a process of a generation that is started now would execute, compared with the release of that generation.
 *
 * - `same`: its executable, and the scripts that its arguments name, are the files that the generation was started with.
 * - `kept copy`: the executable was replaced or removed. `executable` is the copy that zero keeps of it.
 * - `changed, no copy`: the executable or a script was replaced or removed, and there is no copy. `executable` is the
 *   path of the release: whatever is there now, which may be another release or nothing.
 *
 * A worker that has crashed is started in all three cases, because nothing else serves its connections. A worker that
 * runs must not be replaced in the last case: that would deploy a release that nobody asked for.
 */
export type CurrentExecutable =
  | { readonly answer: 'same'; readonly executable: string }
  | {
      readonly answer: 'kept copy' | 'changed, no copy';
      readonly executable: string;
      /** A sentence without its period: which file has changed. */
      readonly reason: string;
    };

/** The files that releases are made of. The simulation has a disk in memory. */
export interface ReleaseFiles {
  /** The file at a path now; null for none. */
  readonly fileAt: (path: string) => (FileIdentity & { readonly device: number }) | null;
  /** The copy that is kept of a generation's executable, unchanged since it was made; null for none. */
  readonly copyOf: (generation: number) => string | null;
  /** Why a user could not execute a file; null: nothing speaks against it. */
  readonly mayExecute: (path: string, user: TargetUser | null) => string | null;
}

/** The files on the disk. */
export function releaseFiles(copyOf: ReleaseFiles['copyOf']): ReleaseFiles {
  return { fileAt, copyOf, mayExecute };
}

/** Compares a generation's release with the files that are there now. Takes a stat(2) for each file. */
export function currentExecutable(
  generation: number,
  { release, record, user }: Prepared,
  files: ReleaseFiles,
): CurrentExecutable {
  const { executable } = release;
  const changed = changeOf(executable, fileOf(release), files);
  const other = changed ?? firstChange(record.scripts ?? [], files);
  if (other === null) return { answer: 'same', executable };
  // A copy of the interpreter does not bring back the script.
  const copy = changed === null ? null : files.copyOf(generation);
  if (copy === null || copy === executable) return { answer: 'changed, no copy', executable, reason: other };
  const forbidden = files.mayExecute(copy, user);
  if (forbidden === null) return { answer: 'kept copy', executable: copy, reason: other };
  const reason = `${other}, and its copy ${copy} cannot be used: ${forbidden}`;
  return { answer: 'changed, no copy', executable, reason };
}

/**
 * What was prepared, with the executable as it is now: a hook may have built it since, or older generations were waited
 * for. For a generation that is about to be made.
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
