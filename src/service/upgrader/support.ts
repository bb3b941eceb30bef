import { isMainThread } from 'node:worker_threads';
import { UpgradeError } from '../upgrade-error.ts';
import { listeningServers } from './handle.ts';

/** Why this process can never replace itself; null when it can. */
export function refuseForever(platform: NodeJS.Platform = process.platform): UpgradeError | null {
  // libuv passes no descriptors on to a child there.
  if (platform === 'win32')
    return new UpgradeError('NOT_SUPPORTED', 'upgrade: needs a POSIX system, and this is Windows');
  if (!isMainThread) return new UpgradeError('NOT_SUPPORTED', 'upgrade: works only in the main thread');
  return null;
}

/**
 * Why this worker of node:cluster can never replace itself; null when it can. node:cluster is not loaded in a service
 * that never upgrades.
 */
export async function refuseWorker(): Promise<UpgradeError | null> {
  const { default: cluster } = await import('node:cluster');
  if (!cluster.isWorker) return null;
  return new UpgradeError(
    'NOT_SUPPORTED',
    'upgrade: works only in the primary of node:cluster, which has the sockets',
  );
}

/**
 * A server that was opened without the library: the new process would find its address in use. Null if there is none. A
 * server on any free port causes no conflict. Node lists only servers that were not unref()ed.
 */
export function refuseForeignServers(known: ReadonlySet<object>): UpgradeError | null {
  const foreign = listeningServers().filter(({ server, anyPort }) => !anyPort && !known.has(server));
  if (foreign.length === 0) return null;
  const addresses = foreign.map(({ address }) => address).join(', ');
  return new UpgradeError(
    'NOT_SUPPORTED',
    `upgrade: ${addresses} was not opened by upgrader.listen(), so the address would be in use for the new process. Open it with upgrader.listen(), or close it first`,
  );
}
