import { statSync } from 'node:fs';
import path from 'node:path';
import { errorText } from '../common/errors.ts';
import type { HistoryDocument } from '../control/protocol.ts';
import { Executables } from '../history/executables.ts';
import { HistoryFile } from '../history/file.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { chooseInstance } from '../supervisor/instance/earlier-name.ts';
import { defaultDataDirectory } from '../supervisor/instance/instance.ts';
import { historyDocument } from '../supervisor/observe/history-document.ts';
import { CommandError, EXIT } from './exit-code.ts';

/** Specifies an instance by its name, or by the config file that it was started from. */
export interface Specified {
  readonly name: string | undefined;
  readonly file: string | null;
}

export interface RecordedHistory {
  readonly file: string;
  readonly document: HistoryDocument;
}

/**
 * The history of an instance that is not running, from its file; null if there is none, or if nothing specifies the
 * instance. Throws CommandError if the file cannot be read.
 */
export async function readHistory(specified: Specified): Promise<RecordedHistory | null> {
  const directory = await dataDirectoryOf(specified);
  if (directory === null) return null;
  const file = new HistoryFile(directory, {
    clock: Date.now,
    failed: () => {},
    recovered: () => {},
    warn: unreadable,
  });
  if (!isThere(file.file)) return null;
  const { lines } = file.read();
  // No executable is kept or verified here, so nothing is hashed.
  const hash = () => Promise.reject(new Error('not available without a supervisor'));
  const executables = new Executables(directory, hash);
  // Only the user who runs the service can check the permissions and the bytes of a copy.
  const targets = { executables, mayRun: () => null };
  const view = { lines, targets, isIntact: () => Promise.resolve(true) };
  return {
    file: file.file,
    document: await historyDocument({ ...view, serving: null, running: null, now: Date.now() }),
  };
}

function isThere(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? false : unreadable(error, file);
  }
}

function unreadable(error: unknown, file: string): never {
  const why = errorText(error);
  const advice = 'Run this as the user of that instance or as root.';
  throw new CommandError(EXIT.failed, `cannot read the history ${file}: ${why}. ${advice}`, 'history');
}

/** A config file that cannot be read does not specify an instance. */
async function dataDirectoryOf({ name, file }: Specified): Promise<string | null> {
  if (name !== undefined) return defaultDataDirectory(name);
  if (file === null) return null;
  const { loadConfig } = await import('../config/load.ts');
  const loaded = loadConfig(file);
  if ('problems' in loaded) return null;
  const folder = directoryAsGiven();
  return chooseInstance(loaded.config, { file: path.resolve(folder, file), folder }).instance.dataDirectory;
}
