import type { ProcessIdentity } from '../../linux/procfs.ts';
import { isKeeper } from './keeper-script.ts';
import type { KeeperSystem } from './keeper-system.ts';

/** What was found of keepers. */
export interface FoundKeepers {
  /** The newest first. There are two where a supervisor died while it replaced one. */
  readonly keepers: readonly ProcessIdentity[];
  /** Pids of processes of other users that look like a keeper. */
  readonly imitations: readonly number[];
}

/**
 * The keepers of a runtime directory. They are recognised by their user and arguments: no file has to be whole, and a
 * process that got the number of a keeper that exited is not taken for the keeper. Another user can choose the
 * arguments of a setuid program, which is therefore no keeper (ownerOf). Throws what listing /proc does.
 */
export function findKeepers(
  runtimeDirectory: string,
  { kernel, uid, ownerOf }: Pick<KeeperSystem, 'kernel' | 'uid' | 'ownerOf'>,
): FoundKeepers {
  const alike = kernel
    .listProcesses()
    .filter(({ pid, session, state }) => pid === session && state !== 'Z')
    .filter(({ pid }) => isKeeper(kernel.argumentsOf(pid), runtimeDirectory));
  const keepers = alike.filter(({ pid }) => ownerOf(pid) === uid);
  return {
    keepers: keepers
      .map(({ pid, startTime }) => ({ pid, startTime }))
      .sort((one, other) => other.startTime - one.startTime || other.pid - one.pid),
    imitations: alike.filter((one) => !keepers.includes(one)).map(({ pid }) => pid),
  };
}
