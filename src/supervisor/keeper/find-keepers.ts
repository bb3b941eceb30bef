import type { ProcessIdentity } from '../process-identity.ts';
import { isKeeper } from './keeper-script.ts';
import type { KeeperSystem } from './keeper-system.ts';

/**
 * The keepers of a runtime directory, the newest first. There are two where a supervisor died while it replaced one.
 * They are recognised by their user and arguments: no file has to be whole, and a process that got the number of a
 * keeper that exited is not taken for the keeper. Throws what listing /proc does.
 */
export function findKeepers(
  runtimeDirectory: string,
  { kernel, uid, ownerOf }: Pick<KeeperSystem, 'kernel' | 'uid' | 'ownerOf'>,
): ProcessIdentity[] {
  return kernel
    .listProcesses()
    .filter(({ pid, session, state }) => pid === session && state !== 'Z')
    .filter(({ pid }) => ownerOf(pid) === uid && isKeeper(kernel.argumentsOf(pid), runtimeDirectory))
    .map(({ pid, startTime }) => ({ pid, startTime }))
    .sort((one, other) => other.startTime - one.startTime || other.pid - one.pid);
}
