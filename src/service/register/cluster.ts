import cluster, { type Worker } from 'node:cluster';
import { syncBuiltinESMExports } from 'node:module';
import { CLUSTER_WORKER, DRAIN, DRAINED, type DrainMessage, within } from './cluster-messages.ts';
import { requireToken, withToken } from './node-options.ts';
import type { Limits, Specification } from './specification.ts';

/** A connection that the primary has accepted reaches its worker within this time, in ms: it goes through a pipe. */
const ON_THE_WAY = 100;

/** For workers that have drained and have to exit, in ms. */
const LEAST = 500;

/** The primary accepts, its workers have the connections: each of them loads this module too, and drains for itself. */
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
  // For programs that import { fork }.
  syncBuiltinESMExports();
}

const workersOf = (): Worker[] =>
  Object.values(cluster.workers ?? {}).filter(
    (worker) => worker !== undefined && !worker.isDead(),
  ) as Worker[];

/**
 * Asks the workers of the cluster to finish their connections; they stay. Resolves when all have, or the time is over.
 * @param stopAccepting ends what the primary accepts for them
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
      // Its channel is closed: it disconnected, and has no connection of the cluster any more.
      if (error !== null) resolve();
    });
  });
}

/**
 * Asks the workers of the cluster to exit by the signal that this process was sent. Resolves when all have, or after
 * `timeoutMs`.
 */
export async function endCluster(signal: string, timeoutMs: number): Promise<void> {
  const ends = workersOf().map((worker) => {
    const exited = new Promise<void>((resolve) => void worker.once('exit', () => resolve()));
    // A program that starts a new worker for each that dies is told that this one was meant to.
    worker.exitedAfterDisconnect = true;
    worker.process.kill(signal as NodeJS.Signals);
    return exited;
  });
  if (ends.length > 0) await within(Math.max(timeoutMs, LEAST), Promise.all(ends));
}
