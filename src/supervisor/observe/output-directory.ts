import { type Stats, statSync } from 'node:fs';
import { reasonOf } from '../../common/errors.ts';
import type { Config } from '../../config/index.ts';
import type { Fact, Failure } from '../../lifecycle/facts.ts';
import { makeDirectory } from '../../linux/files/directory.ts';
import { openToEverybody } from '../../linux/files/writable-path.ts';

const MODE = 0o750;

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'Give zero the right to write there, or set service.output.directory to another directory.',
  EPERM: 'Give zero the right to write there, or set service.output.directory to another directory.',
  EROFS:
    'The file system is read-only: mount it for writing, or set service.output.directory to another one.',
  ENOSPC: 'Free space on its file system.',
  EDQUOT: 'Free space, or raise the quota of the user.',
  EMFILE: "Raise zero's nofile limit.",
  ELOOP: 'It is a symlink: remove it.',
  ENOENT: 'The directory is missing: create it again.',
};

/** Creates a missing `output.directory`. Returns why it cannot be used; null if it can, or none is configured. */
export function outputProblem({ service }: Config): Failure | null {
  if (service.output === undefined) return null;
  const { directory } = service.output;
  try {
    makeDirectory(directory, MODE);
    const reason = unsafe(directory, statSync(directory));
    return reason === null ? null : { step: 'output.directory', reason };
  } catch (error) {
    const code = reasonOf(error);
    const reason = `cannot create directory ${directory}: ${code}. ${ADVICE[code] ?? ''}`.trimEnd();
    return { step: 'output.directory', reason, subject: directory, errno: code };
  }
}

/** In a directory of another user, that user could replace a file by a link to one of zero's files. */
function unsafe(directory: string, { uid }: Stats): string | null {
  const own = process.geteuid?.() ?? 0;
  if (uid !== own && uid !== 0)
    return `directory ${directory} belongs to uid ${uid}. Make it belong to root or to the user of zero (uid ${own}).`;
  const opening = openToEverybody(directory);
  return opening && `every user may write to directory ${opening.path}. Run: chmod o-w ${opening.path}`;
}

/** The event when an output file cannot be written or rotated. */
export function outputFileFailure(step: 'write output' | 'rotate output', path: string, code: string): Fact {
  const then =
    step === 'write output'
      ? 'The service keeps running: its lines wait in memory, and beyond 8 MiB they are dropped and counted. zero tries again each second.'
      : 'zero keeps writing to the current file and tries again later.';
  const what = step === 'write output' ? `cannot write ${path}` : `cannot rotate ${path}`;
  const message = [`${what}: ${code}.`, ...(ADVICE[code] ? [ADVICE[code]] : []), then].join(' ');
  return { event: 'error', step, subject: path, message };
}
