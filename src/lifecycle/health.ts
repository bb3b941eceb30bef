/* Results of the checks of running workers: memory above its limit, and liveness. */
import { type Context, report } from './context.ts';
import type { Of } from './events.ts';
import { type Generation, ownWorkers } from './generation.ts';
import { startReplacement } from './join.ts';
import { mayReplace } from './replacement.ts';
import { generationOf, workerOf } from './state.ts';
import type { Worker } from './worker.ts';

const MIB = 1024 * 1024;

/** A worker is above `max_memory`. If it cannot be replaced now, the event is repeated while that is so. */
export function onMemoryExceeded(context: Context, event: Of<'memory_exceeded'>): void {
  const found = workerOf(context.state, event);
  if (!found) return;
  const { generation, worker } = found;
  const { maxMemory } = generation.settings.restart;
  if (maxMemory === null || !mayReplace(context.state, generation, worker)) return;
  const reason = `its processes use ${inMiB(event.bytes)} MiB of memory, more than max_memory (${inMiB(maxMemory)} MiB)`;
  startReplacement(context, generation, worker, 'memory', reason);
}

function inMiB(bytes: number): number {
  return Math.round((bytes / MIB) * 10) / 10;
}

/**
 * A round of liveness checks has ended. A failing worker is replaced. If no other worker is known to pass, the cause is
 * elsewhere (a database is down), and new workers would fail, too: zero only reports.
 */
export function onLiveness(context: Context, event: Of<'liveness'>): void {
  const { state } = context;
  const generation = generationOf(state, event.generation);
  if (generation?.stage.name !== 'serving' || generation.settings.liveness === null) return;
  const passing = event.passing.filter((key) => recover(context, generation, memberOf(generation, key)));
  const all = passing.length === 0 && ownWorkers(generation).length > 1;
  const failing = event.failing.flatMap((key) => {
    const worker = memberOf(generation, key);
    if (worker?.life.name !== 'up') return [];
    const { reason } = key;
    const subject = { generation: generation.id, worker: worker.index };
    if (worker.life.unhealthy === null)
      report(context, { event: 'worker_unhealthy', ...subject, reason, all });
    worker.life.unhealthy = reason;
    return [{ worker, reason }];
  });
  if (all || generation.settings.liveness.action === 'report') return;
  const next = failing.find(({ worker }) => mayReplace(state, generation, worker));
  if (next) startReplacement(context, generation, next.worker, 'liveness', next.reason);
}

/** Records that a worker passes. Returns false if the worker has another process by now. */
function recover(context: Context, generation: Generation, worker: Worker | undefined): boolean {
  if (worker?.life.name !== 'up') return false;
  if (worker.life.unhealthy !== null)
    report(context, { event: 'worker_healthy', generation: generation.id, worker: worker.index });
  worker.life.unhealthy = null;
  return true;
}

function memberOf(
  { workers }: Generation,
  { worker, incarnation }: { readonly worker: number; readonly incarnation: number },
): Worker | undefined {
  const found = workers[worker];
  return found?.incarnation === incarnation && found.membership === 'member' ? found : undefined;
}
