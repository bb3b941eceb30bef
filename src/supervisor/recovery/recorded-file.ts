import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import path from 'node:path';
import { errorCode, errorText } from '../../common/errors.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { ReadState } from '../state-format/read.ts';

/* The file with the recorded state. */

/** The number of state files to keep that were set aside. */
const KEPT = 3;

export const STATE = 'state.json';

/**
 * The text of a file that belongs to this user or root; null if the file does not exist. Symbolic links are not
 * followed.
 */
export function readOwned(
  file: string,
  uid: number,
):
  | { readonly text: string }
  | Extract<ReadState, { problem: unknown }>
  | { readonly refusal: string }
  | null {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP')
      return { problem: { kind: 'invalid', message: 'it is a symbolic link, which zero does not follow' } };
    return code === 'ENOENT' ? null : { refusal: `${file}: ${message}. Remove it, or correct its owner.` };
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return { refusal: `${file} is not a regular file. Remove it.` };
    if (stats.uid !== uid && stats.uid !== 0)
      return {
        refusal: `${file} belongs to uid ${stats.uid}, and zero runs as uid ${uid}. Run zero as that user, or remove the file.`,
      };
    return { text: readFileSync(fd, 'utf8') };
  } finally {
    closeSync(fd);
  }
}

/** Renames the file, and keeps only the newest renamed files. */
export function setAside(
  file: string,
  { reason, damaged }: { readonly reason: string; readonly damaged: boolean },
): Fact[] {
  const folder = path.dirname(file);
  const prefix = `${STATE}.old-`;
  const aside = `${file}.old-${Date.now()}`;
  try {
    renameSync(file, aside);
    const old = readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .sort();
    for (const name of old.slice(0, -KEPT)) rmSync(path.join(folder, name), { force: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    return [warning(`${file}: ${reason}. It cannot be moved away: ${errorText(error)}`)];
  }
  return [{ event: 'state_set_aside', file: aside, reason, damaged }];
}

export function warning(message: string): Fact {
  return { event: 'warning', about: 'state', message };
}
