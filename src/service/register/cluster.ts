import cluster, { type Worker } from 'node:cluster';
import { syncBuiltinESMExports } from 'node:module';
import { CLUSTER_WORKER, DRAIN, DRAINED, type DrainMessage, within } from './cluster-messages.ts';
import { requireToken, withToken } from './node-options.ts';
import type { Limits, Specification } from './specification.ts';

/** A connection that the primary has accepted reaches its worker through a pipe within this time, in ms. */
const ON_THE_WAY = 100;

/** Minimum time for drained workers to exit, in ms. */
const LEAST = 500;

/**
 * Prepares the workers of a cluster. The primary accepts and its workers have the connections, so each worker loads
 * this module too and drains for itself.
 */
export function preloadClusterWorkers(specification: Specification, path: string): void {
  const { fork } = cluster;
  cluster.fork = (environment?: Readonly<Record<string, string>>) => {
    const options = environment?.NODE_OPTIONS ?? process.env.NODE_OPTIONS;
    return fork({
      ...environment,
      NODE_OPTIONS: withToken(options, requireToken(path)),
      [CLUSTER_WORKER]: JSON.stringify(specification),
    });
  };
  // Needed for programs that use `import { fork }`.
  syncBuiltinESMExports();
}

const workersOf = (): Worker[] =>
  Object.values(cluster.workers ?? {}).filter(
    (worker) => worker !== undefined && !worker.isDead(),
  ) as Worker[];

/**
 * Asks the workers of the cluster to finish their connections without exiting. Resolves when all have finished or the
 * time has expired.
 * @param stopAccepting stops accepting in the primary
 */
export async function drainCluster(limits: Limits, stopAccepting: () => void): Promise<void> {
  if (workersOf().length === 0) return;
  stopAccepting();
  await new Promise((resolve) => setTimeout(resolve, ON_THE_WAY));
  await within(limits.timeoutMs, Promise.all(workersOf().map((worker) => drainWorker(worker, limits))));
}

function drainWorker(worker: Worker, { timeoutMs, idleMs }: Limits): Promise<void> {
  return new Promise((resolve) => {
    const child = worker.process;
    worker.once('exit', () => resolve());
    child.on('internalMessage', ({ cmd }: { readonly cmd?: string }) => {
      if (cmd === DRAINED) resolve();
    });
    const message: DrainMessage = { cmd: DRAIN, timeoutMs, idleMs };
    child.send(message, (error) => {
      // The worker's channel is closed: it has disconnected and has no more connections of the cluster.
      if (error !== null) resolve();
    });
  });
}

/**
 * Asks the workers of the cluster to exit by the signal that this process received. Resolves when all have exited, or
 * after `timeoutMs`.
 */
export async function endCluster(signal: string, timeoutMs: number): Promise<void> {
  const ends = workersOf().map((worker) => {
    const exited = new Promise<void>((resolve) => void worker.once('exit', () => resolve()));
    // A program that replaces each dead worker sees that this exit was intended.
    worker.exitedAfterDisconnect = true;
    worker.process.kill(signal as NodeJS.Signals);
    return exited;
  });
  if (ends.length > 0) await within(Math.max(timeoutMs, LEAST), Promise.all(ends));
}
