import { statsOf } from '../common/files.ts';
import type { HistoryEntry } from './entries.ts';
import type { Executables } from './executables.ts';
import { fileAt, isSameFile, type ReleaseRecord } from './release-record.ts';

/** The source of a release: its own file, or the kept copy; otherwise why there is none. */
export type Available =
  | { readonly from: 'file'; readonly executable: string; readonly release: ReleaseRecord }
  | {
      readonly from: 'copy';
      readonly executable: string;
      readonly release: ReleaseRecord;
      readonly sha256: string;
    }
  | { readonly from: null; readonly reason: string };

/** Finds the release of a generation. Does not compare the hash of a copy. */
export function findRelease(
  { release, sha256, notKept }: HistoryEntry,
  executables: Pick<Executables, 'find'>,
): Available {
  const not = (reason: string): Available => ({ from: null, reason });
  if (!release) return not('its release is not in the history any more');
  const { path, directory, kind } = release;
  if (!statsOf(directory)?.isDirectory()) return not(`its directory ${directory} does not exist any more`);
  const file = fileAt(path);
  if (file && isSameFile(file, release)) {
    const lost = lostScript(release);
    return lost === null ? { from: 'file', executable: path, release } : not(lost);
  }
  const lost = `${path} ${file ? 'was replaced' : 'does not exist any more'}`;
  if (kind === 'interpreter')
    return not(`${lost}, and a copy of an interpreter would not be enough: it runs other files`);
  const copy = sha256 === null ? null : executables.find(sha256, path, release.size);
  if (copy !== null && sha256 !== null) return { from: 'copy', executable: copy, release, sha256 };
  return not(`${lost}, and there is no copy: ${notKept ?? 'only the last 3 executables are kept'}`);
}

/** zero does not keep the scripts of an interpreter. */
function lostScript({ scripts = [] }: ReleaseRecord): string | null {
  for (const script of scripts) {
    const file = fileAt(script.path);
    const change =
      file === null ? 'does not exist any more' : isSameFile(file, script) ? null : 'was replaced';
    if (change !== null)
      return `${script.path} ${change}, and zero keeps no copies of the files of an interpreter`;
  }
  return null;
}
