/*
 * Adds and removes single workers of the serving generation, while it keeps serving: to change the number of workers
 * (scale.ts) and to replace a worker (replacement.ts). See Membership in worker.ts.
 */
import type { Context } from './context.ts';
import type { Generation } from './generation.ts';
import { holdsLane, takeLane } from './lane.ts';
import { stopWorker } from './stopping.ts';
import { newWorker, spawnWorker, type Worker } from './worker.ts';

/**
 * Starts one more worker, which joins with the first free index, on its own lane. Without steering, all workers have
 * the same sockets.
 */
export function addWorker(context: Context, generation: Generation): Worker {
  const { workers, settings, firstLane } = generation;
  const lane = settings.handover.steered ? takeLane(context.state) : firstLane;
  const free = workers.findIndex((worker) => !holdsLane(worker));
  const index = free === -1 ? workers.length : free;
  // Events of the previous process with this index must not be taken for those of the new one.
  const incarnation = workers[index]?.incarnation ?? 0;
  const worker: Worker = { ...newWorker(index, lane, false), membership: 'joining', incarnation };
  workers[index] = worker;
  spawnWorker(context, generation, worker);
  return worker;
}

/**
 * The worker gets no new connections from now on, and retires like the workers of an old generation. Without steering,
 * the other workers accept from the same sockets, so the worker is asked to stop at once.
 */
export function retireWorker(context: Context, generation: Generation, worker: Worker): void {
  worker.membership = 'leaving';
  worker.leave ??= { since: null };
  if (worker.life.name === 'backoff') worker.life = { name: 'ended', exit: null };
  if (!generation.settings.handover.steered) stopWorker(context, generation, worker);
}
