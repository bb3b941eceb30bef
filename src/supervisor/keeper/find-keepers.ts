import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessIdentity, ProcessStat } from '../../linux/procfs.ts';
import { isKeeper } from './keeper-script.ts';
import type { KeeperSystem } from './keeper-system.ts';

/** The result of a search for keepers. */
export interface FoundKeepers {
  /** The newest first. There are two if a supervisor died while it replaced one. */
  readonly keepers: readonly ProcessIdentity[];
  /** Pids of processes of other users that look like a keeper. */
  readonly imitations: readonly number[];
}

/**
 * The keepers of a runtime directory, recognised by their user and arguments. This needs no intact file, and does not
 * mistake a process that reuses the pid of a keeper for the keeper. Another user can choose the arguments of a setuid
 * program, which therefore does not count (ownerOf). Throws the errors of listing /proc.
 */
export function findKeepers(
  runtimeDirectory: string,
  { kernel, uid, ownerOf }: Pick<KeeperSystem, 'kernel' | 'uid' | 'ownerOf'>,
): FoundKeepers {
  const alike = sessionLeaders(kernel).filter(({ pid }) =>
    isKeeper(kernel.argumentsOf(pid), runtimeDirectory),
  );
  const keepers = alike.filter(({ pid }) => ownerOf(pid) === uid);
  return {
    keepers: keepers
      .map(({ pid, startTime }) => ({ pid, startTime }))
      .sort((one, other) => other.startTime - one.startTime || other.pid - one.pid),
    imitations: alike.filter((one) => !keepers.includes(one)).map(({ pid }) => pid),
  };
}

/** The processes that lead a session and have not exited. */
export function sessionLeaders(kernel: Pick<Kernel, 'listProcesses'>): ProcessStat[] {
  return kernel.listProcesses().filter(({ pid, session, state }) => pid === session && state !== 'Z');
}
