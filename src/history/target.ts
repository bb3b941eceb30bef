import { errorText } from '../common/errors.ts';
import { type Available, findRelease } from './available.ts';
import { type HistoryEntry, whyUnproved } from './entries.ts';
import type { Executables } from './executables.ts';

export interface TargetContext {
  readonly executables: Pick<Executables, 'find'>;
  /** Why an executable could not be started in a directory; null if zero finds no reason. */
  readonly mayRun: (executable: string, directory: string) => string | null;
}

export interface TargetOptions {
  /** Whether a copy still has the bytes of this hash. Rejects if it cannot be read. */
  readonly isIntact: (copy: string, sha256: string) => Promise<boolean>;
  /** Called with the executable before the first wait. */
  readonly claim?: (executable: string) => void;
}

/**
 * The release that a rollback to a generation runs, or why there is none. Both `zero rollback` and the column ROLLBACK
 * of `zero history` use it.
 */
export async function rollbackTarget(
  entry: HistoryEntry,
  { executables, mayRun }: TargetContext,
  { isIntact, claim = () => {} }: TargetOptions,
): Promise<Available> {
  const not = (reason: string): Available => ({ from: null, reason });
  const unproved = whyUnproved(entry);
  if (unproved !== null) return not(`it ${unproved}`);
  const found = findRelease(entry, executables);
  if (found.from === null) return found;
  claim(found.executable);
  const problem = mayRun(found.executable, found.release.directory);
  if (problem !== null) return not(problem);
  if (found.from === 'file') return found;
  const { executable, sha256 } = found;
  const intact = await isIntact(executable, sha256).catch(errorText);
  if (typeof intact === 'string') return not(`its copy ${executable}: ${intact}`);
  return intact ? found : not(`its copy ${executable} has been changed: the hash differs`);
}
