/*
 * A generation is one start of a release. Its stages and transitions:
 *
 *              all gates passed        promoted            its successor is promoted
 *   starting ------------------> ready --------> serving -------------------------> standby (soak)
 *      |                           |               |  ^                                |  |
 *      |  failed                   | rolled back   |  +--------------------------------+  |  soak is over
 *      |                           v               v         rolled back to            v
 *      |                        retiring <---------+-----------------------------------+
 *      |                           |  |  rolled back to, as long as no worker was asked to stop: serving
 *      |                           |
 *      v                           v  every worker has been asked to stop
 *   stopping <---------------------+
 *      |  the last process has exited
 *      v
 *   (removed)
 *
 * A stop of zero moves every generation to stopping. A worker of a retiring generation is asked to stop once new
 * connections no longer reach its lane and the lane has settled. So zero never stops a generation that it could not
 * steer away from.
 *
 * Deadlines: readiness.timeout (handover.ts acts on it), and for each retiring worker settle, drain_timeout and stall.
 */
import { type Context, report } from './context.ts';
import type { Of } from './events.ts';
import type { Usage } from './facts.ts';
import { isQuiet, isReached, noteQueue, quietAt } from './lane.ts';
import { type Remains, remainsDeadline } from './remains.ts';
import type { Retry } from './restart.ts';
import type { Settings } from './settings.ts';
import { type State, workerOf } from './state.ts';
import { killRunning, stopWorker } from './stopping.ts';
import { isReadyWorker, type Worker, type WorkerLife, workersDeadline } from './worker.ts';

export interface Generation {
  id: number;
  settings: Settings;
  /** The name of its release. Null: it has none, or none was found yet. */
  label: string | null;
  since: number;
  workers: Worker[];
  /** The lane of its first worker. On a Unix listener all of its workers have this lane's socket. */
  firstLane: number;
  stage: Stage;
  remains: Remains[];
  /** Resources used by its workers so far, up to the last one that exited. */
  usage: Usage | null;
  /** Its listeners could not get their configured backlog again. */
  relisten: Retry | null;
  /** None of its workers is replaced before this time. */
  replacePause: Retry | null;
  /** Its worker is a process that another program started, see adopt.ts. Default: zero has started its workers. */
  adopted?: boolean;
}

export type Stage =
  /**
   * Waits for its gates. `deadline` is null once it was reported as late and there is no generation to roll back to.
   */
  | { name: 'starting'; deadline: number | null }
  /** A candidate that passed its gates and is previewed, has a canary share, or is being promoted. */
  | { name: 'ready' }
  | { name: 'serving' }
  /** Served before and can serve again at once: its successor soaks. */
  | { name: 'standby' }
  /**
   * New connections go elsewhere; it finishes its existing ones. `successor` serves in its place. `replaced`: because
   * the successor was promoted, not because this one failed. `served`: it did before. `signalled`: one of its workers
   * was asked to stop.
   */
  | {
      name: 'retiring';
      since: number;
      successor: number;
      replaced: boolean;
      served: boolean;
      signalled: boolean;
    }
  /** Was asked to stop and never serves again. */
  | { name: 'stopping'; since: number; retired: boolean };

const NEVER = Number.POSITIVE_INFINITY;

/** A release has one name: the requested one, or the first one found. */
export function onLabelled(context: Context, { generation: id, label, from }: Of<'labelled'>): void {
  const generation = context.state.generations.find((one) => one.id === id);
  if (!generation || generation.label !== null) return;
  generation.label = label;
  report(context, { event: 'release_labelled', generation: id, label, from });
}

/** The generation's own workers, without rescue workers and those that join or leave individually. */
export function ownWorkers(generation: Generation | undefined): Worker[] {
  return generation?.workers.filter(isOwn) ?? [];
}

function isOwn({ rescue, membership }: Worker): boolean {
  return !rescue && membership === 'member';
}

/** Whether it serves, or stands by to serve again. */
export function isServingNow({ stage }: Generation): boolean {
  return stage.name === 'serving' || stage.name === 'standby';
}

/** Every worker has passed every gate and is up. */
export function isReady(generation: Generation): boolean {
  return ownWorkers(generation).every(isReadyWorker);
}

/** Whether at least one of its workers is up. */
export function isUp(generation: Generation): boolean {
  return ownWorkers(generation).some(({ life }) => life.name === 'up' && !life.hung);
}

/** Whether none of its processes remains, or may still start. */
export function hasEnded(generation: Generation): boolean {
  return generation.remains.length === 0 && generation.workers.every(({ life }) => life.name === 'ended');
}

/** Whether its only remaining processes cannot be signalled: zero does not wait for their exit. */
export function isUnstoppable({ workers }: Generation): boolean {
  const left = workers.filter(({ life }) => life.name !== 'ended');
  return left.length > 0 && left.every(({ life }) => life.name === 'stopping' && life.refused !== null);
}

/** The generations that an earlier handover replaced and that still finish their connections. */
export function retiringGenerations(state: State): Generation[] {
  return state.generations.filter((generation) => isRetiring(generation) && !isUnstoppable(generation));
}

function isRetiring({ stage }: Generation): boolean {
  return (stage.name === 'retiring' && stage.served) || (stage.name === 'stopping' && stage.retired);
}

/**
 * The generation that this one replaced, as long as it can be rolled back to: none of its workers was asked to stop.
 */
export function generationBehind(state: State, id: number): Generation | undefined {
  return state.generations.findLast(
    ({ stage }) => stage.name === 'retiring' && stage.successor === id && stage.replaced && !stage.signalled,
  );
}

/**
 * New connections go to `successor` from now on. A worker is asked to stop when handshakes in progress have had
 * `settle` to complete, its queues are empty, and its connections have ended or are idle, or `drain_timeout` has
 * expired. A generation that drains its own connections is asked right after `settle`. A rescue worker serves its
 * remaining queue.
 */
export function retire(context: Context, generation: Generation, successor: number, replaced: boolean): void {
  const { state } = context;
  const served = isServingNow(generation);
  generation.stage = { name: 'retiring', since: state.now, successor, replaced, served, signalled: false };
  if (served) report(context, { event: 'generation_retiring', generation: generation.id });
  for (const worker of generation.workers) {
    if (worker.life.name === 'backoff') worker.life = { name: 'ended', exit: null };
    worker.leave ??= { since: null };
  }
}

/** The generation serves again: its workers no longer leave. Workers that exited during the retirement are restarted. */
function cancelRetirement(context: Context, generation: Generation): void {
  for (const worker of ownWorkers(generation)) {
    worker.leave = null;
    const { life } = worker;
    if (life.name === 'ended' && life.exit === null)
      worker.life = { name: 'backoff', until: context.state.now };
  }
}

/**
 * Sends new connections to the incumbent again and ends the candidate. A candidate with public connections finishes
 * them first.
 */
export function returnTo(context: Context, incumbent: Generation, candidate: Generation): void {
  const { name } = incumbent.stage;
  // A first generation that has not passed its gates stays in `starting`.
  if (name !== 'starting') incumbent.stage = { name: 'serving' };
  context.state.incumbent = incumbent.id;
  cancelRetirement(context, incumbent);
  if (candidate.stage.name === 'starting') stopGeneration(context, candidate);
  else retire(context, candidate, incumbent.id, false);
}

/** Asks every worker of a generation to stop. None of them is restarted. */
export function stopGeneration(context: Context, generation: Generation): void {
  if (generation.stage.name === 'stopping') return;
  const { name } = generation.stage;
  const retired = isServingNow(generation) || (name === 'retiring' && generation.stage.served);
  const since = generation.stage.name === 'retiring' ? generation.stage.since : context.state.now;
  generation.stage = { name: 'stopping', since, retired };
  if (retired && name !== 'retiring')
    report(context, { event: 'generation_retiring', generation: generation.id });
  for (const worker of generation.workers) stopWorker(context, generation, worker);
}

interface LeaveTimes {
  /** Handshakes in progress may still complete until then. */
  readonly settleAt: number;
  /** zero stops waiting for its connections then. */
  readonly drainAt: number;
  /** zero stops waiting for its queue then: the worker does not accept. */
  readonly stallAt: number;
}

/** The deadlines of a leaving worker. Null while new connections may reach it. */
export function leaveTimes({ settings }: Generation, { leave }: Worker): LeaveTimes | null {
  if (leave === null || leave.since === null) return null;
  const { settle, drainTimeout, stall } = settings.handover;
  const settleAt = leave.since + settle;
  const drainAt = settleAt + drainTimeout;
  return { settleAt, drainAt, stallAt: drainAt + stall };
}

/** Whether a report of a leaving worker's connections changes anything. Usually it does not. */
export function isDrainNews(state: State, event: Of<'drain_report'>): boolean {
  const found = workerOf(state, event);
  if (!found) return false;
  const { generation, worker } = found;
  const { leave, lane } = worker;
  if (state.lanes[lane]?.waiting !== event.queued > 0) return true;
  if (leave !== null && (leave.since === null) !== mayReceive(state, generation, worker)) return true;
  return mayFinish(event.at, leaveTimes(generation, worker), event);
}

/**
 * Reads what a leaving worker still has. If nothing is left, or the deadline has passed, the worker is asked to stop.
 */
export function onDrainReport(context: Context, event: Of<'drain_report'>): void {
  const { state } = context;
  const found = workerOf(state, event);
  if (!found) return;
  const { generation, worker } = found;
  noteQueue(state, worker.lane, event.queued);
  noteReach(state, generation, worker);
  if (mayFinish(state.now, leaveTimes(generation, worker), event)) askToStop(context, generation, worker);
}

/** Whether its queue is empty, and its connections have ended or zero no longer waits for them. */
function mayFinish(now: number, times: LeaveTimes | null, { queued, busy }: Of<'drain_report'>): boolean {
  if (times === null || now < times.settleAt) return false;
  return queued === 0 && (busy === 0 || now >= times.drainAt);
}

/** Stops leaving workers whose deadline has passed, and rescue workers whose lane is quiet. */
export function tickLeaving(context: Context, generation: Generation): void {
  const { state } = context;
  for (const worker of generation.workers) {
    const isDone = worker.rescue && (isQuiet(state, worker.lane) || isSpare(state, worker));
    if (isDone) worker.leave ??= { since: null };
    const { leave, life } = worker;
    if (leave === null) continue;
    if (life.name === 'backoff') worker.life = { name: 'ended', exit: null };
    noteReach(state, generation, worker);
    const times = leaveTimes(generation, worker);
    if (life.name === 'up' && times !== null && state.now >= latest(life, times))
      askToStop(context, generation, worker);
  }
  stopWhenAllLeft(generation);
}

/**
 * Records when new connections stopped reaching a leaving worker. They can return: a rescue worker is needed again if
 * its lane got its own worker again and that one then died.
 */
function noteReach(state: State, generation: Generation, worker: Worker): void {
  const { leave } = worker;
  if (leave === null) return;
  leave.since = mayReceive(state, generation, worker) ? null : (leave.since ?? state.now);
}

/**
 * Whether the kernel may still send new connections to its lane. Without steering, another generation accepts from the
 * same socket.
 */
function mayReceive(state: State, { settings }: Generation, worker: Worker): boolean {
  return settings.handover.steered && isReached(state, worker.lane) && !isSpare(state, worker);
}

/** Whether this is a rescue worker whose lane has its own worker again: a hung one has recovered. */
export function isSpare({ generations }: State, { rescue, lane }: Worker): boolean {
  const accepts = ({ life }: Worker) => life.name === 'up' && !life.hung && life.readyAt !== null;
  return (
    rescue &&
    generations.some(({ workers }) => workers.some((one) => !one.rescue && one.lane === lane && accepts(one)))
  );
}

/** When a worker is asked to stop at the latest, even with connections left. */
function latest({ drains, hung }: Extract<WorkerLife, { name: 'up' }>, times: LeaveTimes): number {
  if (drains) return times.settleAt;
  // A hung worker accepts nothing. Waiting longer than the drain does not answer its accepted connections.
  return hung ? times.drainAt : times.stallAt;
}

function askToStop(context: Context, generation: Generation, worker: Worker): void {
  const { stage } = generation;
  if (stage.name === 'retiring' && isOwn(worker)) stage.signalled = true;
  stopWorker(context, generation, worker);
  stopWhenAllLeft(generation);
}

/** A retiring generation without a worker to wait for is stopping. */
function stopWhenAllLeft(generation: Generation): void {
  const { stage } = generation;
  if (stage.name !== 'retiring') return;
  const waiting = generation.workers.some(({ life }) => life.name === 'up' || life.name === 'spawning');
  if (!waiting) generation.stage = { name: 'stopping', since: stage.since, retired: stage.served };
}

/** Handles a hung worker. Kills it if it is a rescue worker, or if the config demands it. */
export function endHung(context: Context, generation: Generation, worker: Worker): void {
  const { stage, settings } = generation;
  // A replacement cannot answer the connections that a leaving worker has accepted.
  const isRestarted = stage.name === 'serving' && worker.membership !== 'leaving' && settings.restart.onStall;
  if (worker.rescue || isRestarted) killRunning(context, generation, worker, 'it is hung');
}

/** The earliest time at which a generation wants a `tick`; Infinity for none. */
export function generationDeadline(state: State, generation: Generation): number {
  const { stage, workers, relisten } = generation;
  const readiness = stage.name === 'starting' ? (stage.deadline ?? NEVER) : NEVER;
  const leaving = workers.map((worker) => leavingDeadline(state, generation, worker));
  const listening = relisten?.at ?? NEVER;
  return Math.min(readiness, listening, workersDeadline(generation), remainsDeadline(generation), ...leaving);
}

function leavingDeadline(state: State, generation: Generation, worker: Worker): number {
  const { leave, life, rescue, lane } = worker;
  if (leave === null) return rescue ? quietAt(state, lane) : NEVER;
  const times = leaveTimes(generation, worker);
  if (life.name !== 'up' || times === null) return NEVER;
  // The reading of its connections begins when the handshakes have settled.
  return times.settleAt > state.now ? times.settleAt : latest(life, times);
}
