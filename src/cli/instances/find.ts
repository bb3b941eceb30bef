import path from 'node:path';
import { type FileIdentity, identityAt, isSameFile, isSameInode } from '../../config/file-identity.ts';
import { type InstanceRoot, runtimeDirectoriesIn } from '../../supervisor/instance/instance-roots.ts';
import { type Instance, type RecordedFile, readInstance } from './record.ts';

/** All instances in these directories, running or not, in the order of the directories and by name. */
export function instancesIn(roots: readonly InstanceRoot[]): Instance[] {
  const found = new Map<string, Instance>();
  for (const root of roots) {
    for (const directory of runtimeDirectoriesIn(root)) {
      const instance = found.has(directory) ? null : readInstance(directory, root.uid);
      if (instance !== null) found.set(directory, instance);
    }
  }
  return [...found.values()];
}

/** A config file as the user specified it. */
export interface WantedFile {
  /** Absolute paths, with every name of the working directory. */
  readonly paths: readonly string[];
  /** null: the file does not exist. */
  readonly identity: FileIdentity | null;
}

export function wantedFile(file: string, folders: readonly string[]): WantedFile {
  const paths = folders.map((folder) => path.resolve(folder, file));
  return { paths, identity: identityAt(paths[0] ?? file) };
}

/**
 * How an instance was started from a file: `path`, by its path; `file`, by another name of the same file (symlink, hard
 * link, bind mount, or before it was moved); null: not from this file. `path` takes precedence, because a reload reads
 * the path.
 */
export function startedFrom(
  { configFile }: Instance,
  { paths, identity }: WantedFile,
): 'path' | 'file' | null {
  if (configFile == null) return null;
  if (paths.includes(configFile.path)) return 'path';
  if (identity === null) return null;
  const now = identityAt(configFile.path);
  if (now !== null && isSameInode(now, identity)) return 'file';
  return isRecorded(configFile) && isSameFile(configFile, identity) ? 'file' : null;
}

function isRecorded(file: RecordedFile): file is RecordedFile & FileIdentity {
  return file.device !== undefined;
}
