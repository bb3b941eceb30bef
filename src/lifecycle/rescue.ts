import { type Context, report } from './context.ts';
import type { Of } from './events.ts';
import { attendedLanes, noteQueue } from './lane.ts';
import { generationOf } from './state.ts';
import { newWorker, spawnWorker } from './worker.ts';

/**
 * A connection waits in a lane that no process accepts from: its worker died, is hung, or has exited. The serving
 * release is started on that lane once more as a rescue worker, so that every connection that the kernel accepted is
 * served.
 */
export function onLaneQueued(context: Context, event: Of<'lane_queued'>): void {
  const { state } = context;
  const { lane } = event;
  noteQueue(state, lane, 1);
  const serving = generationOf(state, state.incumbent);
  if (!serving || state.stop || !state.demands.attend.lanes.includes(lane) || attendedLanes(state).has(lane))
    return;
  const worker = newWorker(serving.workers.length, lane, true);
  serving.workers.push(worker);
  report(context, { event: 'lane_relieved', generation: serving.id, worker: worker.index, lane });
  spawnWorker(context, serving, worker);
}
