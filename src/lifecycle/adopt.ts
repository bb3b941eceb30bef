/*
 * Adoption of a running service that another program has started. Its first generation is the main process of that
 * service, on the sockets that this process already had: one lane of each listener, marked as `taken`.
 *
 * zero never gives a taken lane to a worker of its own, because other processes may still accept from it. Rescue
 * workers are the exception: they serve the lane's queue. If the process crashes before the first handover, the command
 * of the config therefore replaces it on a lane of its own.
 */
import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import { ensureLanes, TAKEN_LANE } from './lane.ts';
import { newWorker } from './worker.ts';

/** The first event of a supervisor that adopts a service. */
export function onAdopted(context: Context, { settings, pid, since }: Of<'adopted'>): void {
  const { state } = context;
  ensureLanes(state, TAKEN_LANE + 1);
  state.lanes[TAKEN_LANE] = { state: { name: 'reached' }, waiting: false, taken: true };
  const worker = newWorker(0, TAKEN_LANE, false);
  worker.incarnation = 1;
  worker.life = {
    name: 'up',
    pid,
    since,
    waiting: [],
    readyAt: state.now,
    hung: false,
    unhealthy: null,
    killed: false,
    drains: false,
  };
  const id = state.nextGeneration;
  state.nextGeneration += 1;
  state.generations.push({
    id,
    settings,
    label: null,
    since: state.now,
    workers: [worker],
    firstLane: TAKEN_LANE,
    stage: { name: 'serving' },
    remains: [],
    usage: null,
    relisten: null,
    replacePause: null,
    adopted: true,
  });
  state.incumbent = id;
  state.handshakeTime = Math.max(state.handshakeTime, settings.handover.handshake);
  emit(context, { type: 'promoted', generation: id });
  report(context, { event: 'worker_adopted', generation: id, worker: worker.index, pid });
  report(context, { event: 'generation_promoted', generation: id, previous: null });
}
