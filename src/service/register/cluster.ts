import cluster, { type Worker } from 'node:cluster';
import { syncBuiltinESMExports } from 'node:module';
import { CLUSTER_WORKER } from './cluster-worker-name.ts';
import { importToken, withToken } from './node-options.ts';
import type { Specification } from './specification.ts';

/** From the last connection that is accepted until it has reached its worker, in ms; it goes through a pipe. */
const ON_THE_WAY = 100;

/** The primary accepts, its workers have the connections: each of them loads this module too, and drains for itself. */
export function preloadClusterWorkers(specification: Specification, url: string): void {
  const { fork } = cluster;
  cluster.fork = (environment?: Readonly<Record<string, string>>) => {
    const options = environment?.NODE_OPTIONS ?? process.env.NODE_OPTIONS;
    return fork({
      ...environment,
      NODE_OPTIONS: withToken(options, importToken(url)),
      [CLUSTER_WORKER]: JSON.stringify(specification),
    });
  };
  // For those who import { fork }.
  syncBuiltinESMExports();
}

/**
 * Asks the workers of the cluster to leave, as this process was asked. Resolves when all have left, or the time is over.
 * @param stopAccepting ends what the primary accepts for them
 */
export async function endCluster(
  signal: string,
  timeoutMs: number,
  stopAccepting: () => void,
): Promise<void> {
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  if (workers.length === 0) return;
  stopAccepting();
  await new Promise((resolve) => setTimeout(resolve, ON_THE_WAY));
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), timeoutMs);
  await Promise.all(workers.map((worker) => endWorker(worker, signal, over.signal)));
  clearTimeout(timer);
}

function endWorker(worker: Worker, signal: string, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (worker.isDead()) return resolve();
    worker.once('exit', () => resolve());
    over.addEventListener('abort', () => resolve());
    // Whoever starts again what dies is told that this one was meant to.
    worker.exitedAfterDisconnect = true;
    worker.process.kill(signal as NodeJS.Signals);
  });
}
