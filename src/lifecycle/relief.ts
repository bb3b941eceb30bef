import { type Context, report } from './context.ts';
import type { Of } from './events.ts';
import { attendants, seeQueue } from './lanes.ts';
import { generationOf } from './state.ts';
import { spawnWorker } from './workers.ts';

/**
 * A connection waits in a lane that nobody accepts from: its worker died, hangs, or has left. The release that serves is started on that
 * lane once more, so that everything the kernel accepted is served.
 */
export function onLaneQueued(context: Context, event: Of<'lane_queued'>): void {
  const { state } = context;
  const { lane } = event;
  seeQueue(state, lane, 1);
  const serving = generationOf(state, state.incumbent);
  if (!serving || state.stop || !state.demands.attend.includes(lane) || attendants(state, lane).length > 0)
    return;
  const worker = {
    index: serving.workers.length,
    lane,
    relief: true,
    incarnation: 0,
    attempts: 0,
    life: { name: 'ended' as const, exit: null },
    leave: null,
  };
  serving.workers.push(worker);
  report(context, { event: 'lane_relieved', generation: serving.id, worker: worker.index, lane });
  spawnWorker(context, serving, worker);
}
