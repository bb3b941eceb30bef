/*
 * Demands: what the shell must keep doing until the demand changes. All of them are derived from the rest of the state,
 * so steering never lags behind the decisions. A demand is sent when it changes. A failed one is sent again with
 * backoff until it succeeds or changes.
 */
import { type Attention, attentionOf } from './attention.ts';
import { type Context, emit, report, reportFailure } from './context.ts';
import { isSame } from './copy.ts';
import type { Effect } from './effects.ts';
import type { LivenessWatch, StallWatch, WorkerKey } from './events.ts';
import type { Failure } from './facts.ts';
import { type Generation, generationBehind, isSpare, leaveTimes, ownWorkers } from './generation.ts';
import { isPast, isReached, leaveOtherLanes, nextLanes, reachLanes, sharesSockets } from './lane.ts';
import { type Retry, retryAfter } from './restart.ts';
import type { Settings } from './settings.ts';
import { candidateOf, generationOf, type State, workerOf } from './state.ts';
import { type Steering, steeredLanes } from './steering.ts';
import type { Worker } from './worker.ts';

/** The demands that were last sent to the shell. */
export interface Demands {
  /** Where new connections go. Null before any lane is ready for them. */
  readonly steering: Steering | null;
  readonly attend: Attention;
  /** Leaving workers, whose queues and open connections are read. */
  readonly drain: readonly WorkerKey[];
  /** Workers that are watched for hanging. */
  readonly stalls: readonly StallWatch[];
  /** Workers whose memory is read. */
  readonly memory: readonly WorkerKey[];
  /** Workers whose liveness is checked. */
  readonly liveness: readonly LivenessWatch[];
  /** The generation that `verify` watches. */
  readonly verify: number | null;
  /** Lanes that are prepared, so that the next handover need not wait for them. */
  readonly prepare: readonly number[];
  /** The version of the set of sockets that the keeper process holds. Null: there are no sockets to hold. */
  readonly keeper: number | null;
}

/** The last requested steering change. Its number distinguishes its answer from that of an earlier one. */
export interface Change {
  readonly number: number;
  readonly status: 'asked' | 'installed' | 'failed';
}

/** Demands whose last effect failed, and the reason. */
export type Retries = { -readonly [D in keyof Demands]?: FailedDemand };

interface FailedDemand {
  readonly retry: Retry;
  readonly failure: Failure;
}

const NAMES: readonly (keyof Demands)[] = [
  'steering',
  'attend',
  'drain',
  'stalls',
  'memory',
  'liveness',
  'verify',
  'prepare',
  'keeper',
];

/** Sends changed demands to the shell, and failed ones that are due again. */
export function demand(context: Context): void {
  const { state } = context;
  const before = state.demands;
  const wanted = demandsOf(state);
  state.demands = wanted;
  for (const name of NAMES) {
    const changed = !isSame(before[name], wanted[name]);
    const failed = state.retries[name];
    if (changed) delete state.retries[name];
    else if (failed === undefined || state.now < failed.retry.at) continue;
    // The answer sets the next attempt. Without an answer, this attempt counts as failed.
    else state.retries[name] = { ...failed, retry: retryAfter(state.now, failed.retry) };
    if (name === 'steering') steer(context);
    else if (name !== 'keeper') emit(context, effectOf(name, wanted));
    else if (wanted.keeper !== null) emit(context, { type: 'keep_sockets', version: wanted.keeper });
  }
}

function effectOf(name: Exclude<keyof Demands, 'steering' | 'keeper'>, demands: Demands): Effect {
  switch (name) {
    case 'attend':
      return { type: 'attend', ...demands.attend };
    case 'drain':
      return { type: 'drain', workers: demands.drain };
    case 'stalls':
      return { type: 'watch_stalls', workers: demands.stalls };
    case 'memory':
      return { type: 'watch_memory', workers: demands.memory };
    case 'liveness':
      return { type: 'check_liveness', workers: demands.liveness };
    case 'verify':
      return { type: 'verify', generation: demands.verify };
    case 'prepare':
      return { type: 'prepare_lanes', lanes: demands.prepare };
  }
}

function steer(context: Context): void {
  const { state } = context;
  const { steering } = state.demands;
  if (steering === null) return;
  const number = state.change.number + 1;
  state.change = { number, status: 'asked' };
  reachLanes(state, steeredLanes(steering));
  for (const { workers } of state.generations) {
    for (const worker of workers) {
      const { lane, leave } = worker;
      if (leave && isReached(state, lane) && !isSpare(state, worker)) leave.since = null;
    }
  }
  // First effect of this step: a failed generation must get no more connections.
  context.effects.unshift({ type: 'steer', change: number, steering });
}

/** The kernel has installed the requested steering. */
export function onSteered(context: Context, { change, steering }: Extract<Effect, { type: 'steer' }>): void {
  const { state } = context;
  if (change !== state.change.number) return;
  state.change = { number: change, status: 'installed' };
  leaveOtherLanes(state, steeredLanes(steering));
  const { main, canary, preview } = steering;
  const percent = canary?.percent ?? null;
  report(context, { event: 'steering_changed', main, canary: percent, preview: preview !== null });
  delete state.retries.steering;
}

/** The keeper process holds the sockets of this version of the set. */
export function onKept({ state }: Context, version: number): void {
  if (version === state.sockets) delete state.retries.keeper;
}

/** No keeper process holds this version of the set of sockets (any more). It is started again. */
export function onKeeperLost(context: Context, version: number, failure: Failure): void {
  const { state } = context;
  if (version !== state.sockets) return;
  const { keeper } = state.retries;
  if (keeper === undefined) report(context, { event: 'keeper_lost', reason: failure.reason });
  state.retries.keeper = { failure, retry: keeper?.retry ?? retryAfter(state.now, null) };
}

/** Whether the kernel steers exactly as the state demands. */
export function isInstalled(state: State): boolean {
  return state.change.status === 'installed' && isSame(steeringOf(state), state.demands.steering);
}

/** The demand that an effect of this type belongs to. */
export function demandOf(type: Effect['type']): keyof Demands | null {
  switch (type) {
    case 'steer':
      return 'steering';
    case 'watch_stalls':
      return 'stalls';
    case 'watch_memory':
      return 'memory';
    case 'check_liveness':
      return 'liveness';
    case 'prepare_lanes':
      return 'prepare';
    case 'keep_sockets':
      return 'keeper';
    case 'attend':
    case 'drain':
    case 'verify':
      return type;
    default:
      return null;
  }
}

/** Returns false for the answer to an earlier steering change. */
export function onDemandFailed(
  context: Context,
  name: keyof Demands,
  failure: Failure,
  change: number = context.state.change.number,
): boolean {
  const { state } = context;
  if (change !== state.change.number) return false;
  if (name === 'steering') state.change = { number: change, status: 'failed' };
  const before = state.retries[name];
  if (before === undefined) reportFailure(context, failure);
  state.retries[name] = { failure, retry: before?.retry ?? retryAfter(state.now, null) };
  return true;
}

/** When a failed demand is sent again; Infinity for never. */
export function demandsDeadline({ retries }: State): number {
  return Math.min(...NAMES.map((name) => retries[name]?.retry.at ?? Number.POSITIVE_INFINITY));
}

/** Derives the demands from a state. */
function demandsOf(state: State): Demands {
  const steering = steeringOf(state);
  return {
    steering,
    attend: attentionOf(state, steering),
    drain: keysWhere(state, (generation, worker) => isRead(state, generation, worker)),
    stalls: state.generations.flatMap((generation) => stallWatches(state, generation)),
    memory: checkedWhere(state, ({ restart }) => restart.maxMemory !== null),
    liveness: livenessWatches(state),
    verify: verified(state),
    prepare: lanesAhead(state),
    keeper: state.sockets === 0 ? null : state.sockets,
  };
}

/** Where new connections go: to the workers of the serving generation, minus the candidate's share. */
function steeringOf(state: State): Steering | null {
  const incumbent = generationOf(state, state.incumbent);
  if (!incumbent) return state.demands.steering;
  const { handover } = state;
  const candidate = generationOf(state, candidateOf(handover));
  if (candidate && handover?.step.name === 'promoting') return everythingTo(lanesOf(candidate));
  const main = lanesOf(incumbent);
  const { steered, previewFrom, canary, canaryBy } =
    candidate?.settings.handover ?? incumbent.settings.handover;
  if (candidate?.stage.name !== 'ready' || !steered || !handover) {
    return everythingTo(main);
  }
  const lanes = lanesOf(candidate);
  const share = handover.step.name === 'canary' ? canary[handover.step.index] : undefined;
  return {
    main,
    canary: share ? { percent: share.percent, by: canaryBy, lanes } : null,
    preview: previewFrom.length > 0 ? lanes : null,
    previewFrom: previewFrom.length > 0 ? previewFrom : [],
  };
}

function everythingTo(main: readonly number[]): Steering {
  return { main, canary: null, preview: null, previewFrom: [] };
}

/** The lanes of a generation that new connections may go to: those of its best workers. */
function lanesOf(generation: Generation): number[] {
  const own = ownWorkers(generation);
  const coming = own.filter(({ life }) => life.name !== 'ended');
  const up = own.filter(({ life }) => life.name === 'up' && !life.hung);
  const ready = up.filter(({ life }) => life.name === 'up' && life.readyAt !== null);
  const replaces = generation.settings.liveness?.action === 'replace';
  const healthy = ready.filter(({ life }) => life.name === 'up' && !(replaces && life.unhealthy !== null));
  const best = [healthy, ready, up, coming].find((some) => some.length > 0) ?? own;
  return [...new Set(best.map(({ lane }) => lane))];
}

/**
 * The lanes that the next generation will get. Empty during a handover, when they are not known yet and other work is
 * more urgent.
 */
function lanesAhead(state: State): number[] {
  const serving = generationOf(state, state.incumbent);
  if (state.handover || state.stop || serving?.stage.name !== 'serving') return [];
  const { workers, handover } = serving.settings;
  return handover.steered ? nextLanes(state, workers) : [];
}

/**
 * Whether the worker's connections are read: it may have to leave, or it is a rescue worker whose queue may be empty.
 */
function isRead(state: State, generation: Generation, worker: Worker): boolean {
  const { life, leave, rescue, lane } = worker;
  if (life.name !== 'up') return false;
  if (leave === null) return rescue && isPast(state, lane);
  const times = leaveTimes(generation, worker);
  return times !== null && state.now >= times.settleAt;
}

/**
 * The workers of a generation to watch for hanging. A worker that got SIGKILL exits anyway, or no check changes
 * anything.
 */
function stallWatches(state: State, generation: Generation): StallWatch[] {
  return generation.workers.flatMap((worker) => {
    const { index, incarnation, life } = worker;
    if (life.name !== 'up' || life.killed || !isWatched(state, generation, worker)) return [];
    const shared = life.hung && sharesSockets(state, generation, worker);
    return [{ generation: generation.id, worker: index, incarnation, hung: life.hung, shared }];
  });
}

/** Workers that clients may reach, now or after a rollback, and rescue workers. */
function isWatched(
  state: State,
  { id, stage, settings }: Generation,
  { rescue, membership, life }: Worker,
): boolean {
  if (rescue) return true;
  if (!settings.handover.steered || membership === 'joining') return false;
  if (membership === 'leaving') return true;
  if (stage.name === 'ready' || stage.name === 'standby' || stage.name === 'retiring') return true;
  if (stage.name !== 'serving') return false;
  const soaks = state.handover?.step.name === 'soak' && state.handover.step.candidate === id;
  const isReady = life.name === 'up' && life.readyAt !== null;
  // A starting worker may take long until it accepts.
  return isReady || soaks || settings.restart.onStall || generationBehind(state, id) !== undefined;
}

/** A check through the sockets of a hung worker would pass, because a rescue worker answers it. */
function livenessWatches(state: State): LivenessWatch[] {
  return checkedWhere(state, ({ liveness }) => liveness !== null).map((key) => {
    const { generation, worker } = workerOf(state, key) ?? {};
    const isHung = worker?.life.name === 'up' && worker.life.hung;
    return {
      ...key,
      rescued: isHung && generation !== undefined && sharesSockets(state, generation, worker),
    };
  });
}

function checkedWhere(state: State, wanted: (settings: Settings) => boolean): WorkerKey[] {
  // Fast path: most configs check nothing, and this runs at every step.
  if (!state.generations.some(({ settings }) => wanted(settings))) return [];
  return keysWhere(
    state,
    (generation, worker) => wanted(generation.settings) && isChecked(state, generation, worker),
  );
}

/** A worker of the serving generation is checked as soon as it is ready. */
function isChecked({ stop }: State, { stage }: Generation, { life, membership, rescue }: Worker): boolean {
  if (stop || stage.name !== 'serving' || rescue || membership !== 'member') return false;
  return life.name === 'up' && life.readyAt !== null && !life.killed;
}

function verified({ handover, generations }: State): number | null {
  if (handover?.step.name !== 'canary' && handover?.step.name !== 'soak') return null;
  const { candidate } = handover.step;
  return generations.find(({ id }) => id === candidate)?.settings.handover.verify ? candidate : null;
}

function keysWhere(state: State, wanted: (generation: Generation, worker: Worker) => boolean): WorkerKey[] {
  return state.generations.flatMap((generation) =>
    generation.workers
      .filter((worker) => wanted(generation, worker))
      .map(({ index, incarnation }) => ({ generation: generation.id, worker: index, incarnation })),
  );
}
