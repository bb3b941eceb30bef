import { type Context, report } from './context.ts';
import type { Of } from './events.ts';
import { isQuiet, seeQueue } from './lanes.ts';
import { type Generation, type Leave, ownWorkers, type Worker, type WorkerLife, workerOf } from './state.ts';
import { stopWorker } from './workers.ts';

/**
 * New connections go to `successor` from now on. The generation finishes what it has: handshakes under way come for `settle`, then its
 * queues must be empty and its connections ended or idle, or `drain_timeout` over, before a worker is told to stop. One that drains by
 * itself is told right after `settle`: what its queue still had is served as if it had died.
 */
export function retire(context: Context, generation: Generation, successor: number, replaced: boolean): void {
  const { state } = context;
  const served = generation.stage.name === 'serving' || generation.stage.name === 'standby';
  generation.stage = { name: 'retiring', since: state.now, successor, replaced, served, told: false };
  if (served) report(context, { event: 'generation_retiring', generation: generation.id });
  for (const worker of generation.workers) {
    if (worker.life.name === 'backoff') worker.life = { name: 'ended', exit: null };
    worker.leave ??= leaveFrom(state.now, generation);
  }
}

/** It serves again: nothing of it leaves, and what was not started because it was leaving is. */
export function stay(context: Context, generation: Generation): void {
  for (const worker of ownWorkers(generation)) {
    worker.leave = null;
    const { life } = worker;
    if (life.name === 'ended' && life.exit === null)
      worker.life = { name: 'backoff', until: context.state.now };
  }
}

function leaveFrom(now: number, { settings }: Generation): Leave {
  const { settle, drainTimeout, stall } = settings.handover;
  const settleAt = now + settle;
  const drainAt = settleAt + drainTimeout;
  return { settleAt, drainAt, stallAt: drainAt + stall };
}

/** What a worker that is to leave still has to do: when that is nothing, or took too long, it is told to stop. */
export function onDrainReport(context: Context, event: Of<'drain_report'>): void {
  const found = workerOf(context.state, event);
  const leave = found?.worker.leave;
  if (found) seeQueue(context.state, found.worker.lane, event.queued);
  if (!found || !leave || context.state.now < leave.settleAt) return;
  const finished = event.queued === 0 && (event.busy === 0 || context.state.now >= leave.drainAt);
  if (finished) tellToStop(context, found.generation, found.worker);
}

/** Workers whose time to leave is over, and those that relieve a lane that has become quiet. */
export function tickLeaving(context: Context, generation: Generation): void {
  const { state } = context;
  for (const worker of generation.workers) {
    if (worker.relief && worker.leave === null && isQuiet(state, worker.lane)) {
      worker.leave = leaveFrom(state.now, generation);
    }
    const { leave, life } = worker;
    if (leave === null) continue;
    if (life.name === 'backoff') worker.life = { name: 'ended', exit: null };
    if (life.name === 'up' && state.now >= latest(life, leave)) tellToStop(context, generation, worker);
  }
  stopWhenAllLeft(generation);
}

/** When a worker is told to stop, whatever it still has. */
function latest({ drains, hung }: Extract<WorkerLife, { name: 'up' }>, leave: Leave): number {
  if (drains) return leave.settleAt;
  // A worker that hangs accepts nothing that comes, and what it has accepted is not answered by waiting beyond the drain.
  return hung ? leave.drainAt : leave.stallAt;
}

function tellToStop(context: Context, generation: Generation, worker: Worker): void {
  const { stage } = generation;
  if (stage.name === 'retiring' && !worker.relief) stage.told = true;
  stopWorker(context, generation, worker);
  stopWhenAllLeft(generation);
}

/** A retiring generation of which nobody is left to wait for is one that is stopping. */
function stopWhenAllLeft(generation: Generation): void {
  const { stage } = generation;
  if (stage.name !== 'retiring') return;
  const waiting = generation.workers.some(({ life }) => life.name === 'up' || life.name === 'spawning');
  if (!waiting) generation.stage = { name: 'stopping', since: stage.since, retired: stage.served };
}

/** When a generation's leaving workers want a `tick`; Infinity for never. */
export function leavingDeadline(generation: Generation, quietAt: (lane: number) => number): number {
  const times = generation.workers.map(({ leave, life, relief, lane }) => {
    if (leave === null) return relief ? quietAt(lane) : Number.POSITIVE_INFINITY;
    return life.name === 'up' ? latest(life, leave) : Number.POSITIVE_INFINITY;
  });
  return Math.min(Number.POSITIVE_INFINITY, ...times);
}
