import { type Context, emit, report } from './context.ts';
import { copy, isSame } from './copy.ts';
import { demandsOf, steeredLanes, steeringOf } from './demands.ts';
import type { Effect } from './effects.ts';
import type { Event, Of } from './events.ts';
import type { ExitStatus, Failure } from './facts.ts';
import {
  abortAll,
  begin,
  givesWay,
  onHookBefore,
  onReload,
  onResolved,
  onResolveFailed,
  startWhenPossible,
  tickRequests,
} from './handover.ts';
import { dropHooks, hooksDeadline, onHookFinished, startHook, tickHooks } from './hooks.ts';
import { seeQueue } from './lanes.ts';
import { leavingDeadline, onDrainReport, tickLeaving } from './leaving.ts';
import { onLaneQueued } from './relief.ts';
import {
  advanceRollout,
  endHandover,
  generationFailed,
  goOn,
  onStalled,
  onVerifyFailed,
  promoteInPlaceOfDead,
  tickHandover,
  tickReadiness,
} from './rollout.ts';
import { type Demands, generationOf, handoverOf, isGone, ownWorkers, type State } from './state.ts';
import { finish } from './verdict.ts';
import {
  killWorker,
  onDrains,
  onExited,
  onGatePassed,
  onLeftoversGone,
  onPidChanged,
  onSpawned,
  onSpawnFailed,
  stopGeneration,
  tickWorkers,
  workersDeadline,
} from './workers.ts';

const STOPPED: ExitStatus = { kind: 'exited', code: 0 };
const COULD_NOT_START: ExitStatus = { kind: 'exited', code: 1 };
const NEVER = Number.POSITIVE_INFINITY;

/** The exhaustive table of what each event does. */
const handlers: { [T in Event['type']]: (context: Context, event: Of<T>) => void } = {
  reload: onReload,
  promote: (context, { ticket }) => answer(context, ticket, goOn(context)),
  abort: (context, { ticket, by }) => {
    const { handover } = context.state;
    endHandover(context, 'aborted', { step: 'abort', reason: `aborted by ${by}` });
    answer(context, ticket, handover ? null : 'no handover is in progress');
  },
  stop: onStop,
  resolved: onResolved,
  resolve_failed: onResolveFailed,
  spawned: onSpawned,
  spawn_failed: (context, event) => {
    const starting = generationOf(context.state, event.generation)?.stage.name === 'starting';
    const { firstGeneration } = context.state;
    const firstStart = starting && event.generation === firstGeneration && event.incarnation === 1;
    const failure = onSpawnFailed(context, event);
    workerFailed(context, event, failure);
    // Nothing has run yet, so whoever starts the supervisor is there to read why: it is not tried again.
    const generation = generationOf(context.state, event.generation);
    if (failure && firstStart && generation) stopGeneration(context, generation);
  },
  gate_passed: onGatePassed,
  gate_failed: (context, event) => {
    const { generation, worker, gate, reason } = event;
    const failure: Failure = { step: `readiness.${gate}`, reason, generation, worker };
    if (handoverOf(context.state, generation)) workerFailed(context, event, failure);
    else report(context, { event: 'warning', about: failure.step, message: `worker ${worker}: ${reason}` });
  },
  exited: (context, event) => workerFailed(context, event, onExited(context, event)),
  leftovers_gone: onLeftoversGone,
  pid_changed: onPidChanged,
  drains: onDrains,
  drain_report: onDrainReport,
  stalled: onStalled,
  lane_queued: onLaneQueued,
  lane_empty: ({ state }, { lane }) => seeQueue(state, lane, 0),
  verify_failed: onVerifyFailed,
  hook_finished: (context, event) => onHookBefore(context, onHookFinished(context, event)),
  tick: () => {},
};

/**
 * The whole behaviour of the supervisor: what it becomes and does when something happens. Pure: no clock, no randomness, no input but
 * its arguments, and the given state is not changed.
 */
export function step(state: State, event: Event): { state: State; effects: Effect[] } {
  const context: Context = { state: copy(state), effects: [] };
  context.state.now = Math.max(state.now, event.at);
  if (context.state.exit === null) {
    dispatch(context, event);
    passDeadlines(context);
    advance(context);
    demand(context);
  }
  return context;
}

function dispatch<T extends Event['type']>(context: Context, event: Of<T>): void {
  const type = event.type as T;
  handlers[type](context, event);
}

/** The next time at which `step` wants a `tick`, in milliseconds of the events' clock; Infinity for never. */
export function nextDeadline(state: State): number {
  if (state.exit !== null) return NEVER;
  const { handover, pending, demands } = state;
  const quietAt = (lane: number) => {
    const at = (state.lanes[lane]?.awayAt ?? NEVER) + state.handshakeTime;
    return at > state.now ? at : NEVER;
  };
  const deadlines = state.generations.flatMap((generation) => {
    const { stage } = generation;
    const readiness = stage.name === 'starting' ? (stage.deadline ?? NEVER) : NEVER;
    return [
      readiness,
      workersDeadline(generation),
      leavingDeadline(generation, quietAt),
      settleDeadline(state, generation.id),
    ];
  });
  const step = handover && 'until' in handover.step ? handover.step.until : NEVER;
  const requests = [handover?.request.deadline ?? NEVER, pending?.deadline ?? NEVER];
  return Math.min(
    NEVER,
    ...deadlines,
    step,
    ...requests,
    hooksDeadline(state),
    ...demands.attend.map(quietAt).filter((at) => at > state.now),
  );
}

/** When the reading of a leaving worker's connections begins. */
function settleDeadline(state: State, id: number): number {
  const workers = generationOf(state, id)?.workers ?? [];
  const times = workers.map(({ leave, life }) =>
    leave && life.name === 'up' && leave.settleAt > state.now ? leave.settleAt : NEVER,
  );
  return Math.min(NEVER, ...times);
}

function passDeadlines(context: Context): void {
  tickHandover(context);
  tickRequests(context);
  onHookBefore(context, tickHooks(context));
  for (const generation of [...context.state.generations]) {
    tickWorkers(context, generation);
    tickReadiness(context, generation);
    tickLeaving(context, generation);
  }
}

/** A worker that relieves a lane is none of those by which its generation is judged. */
function workerFailed(
  context: Context,
  { generation, worker }: { readonly generation: number; readonly worker: number },
  failure: Failure | undefined,
): void {
  const relief = generationOf(context.state, generation)?.workers[worker]?.relief;
  if (failure && !relief) generationFailed(context, generation, failure);
}

/** What follows from the state by itself: promotion, generations that are gone, the next handover, the end. */
function advance(context: Context): void {
  const { state } = context;
  for (const generation of state.generations) advanceRollout(context, generation);
  promoteInPlaceOfDead(context);
  // What failed just now may leave nobody to wait for.
  for (const generation of state.generations) tickLeaving(context, generation);
  for (const generation of state.generations.filter(isGone)) {
    if (generation.stage.name !== 'stopping') continue;
    state.generations = state.generations.filter(({ id }) => id !== generation.id);
    if (state.incumbent === generation.id) state.incumbent = null;
    const { retired, since } = generation.stage;
    emit(context, { type: 'release', generation: generation.id });
    report(context, {
      event: 'generation_gone',
      generation: generation.id,
      retiredFor: retired ? state.now - since : null,
      usage: generation.usage,
    });
    if (!retired && state.incumbent !== null)
      emit(context, { type: 'listen_again', generation: state.incumbent });
  }
  if (state.stop) {
    if (state.generations.length === 0) leave(context, STOPPED);
    return;
  }
  const { pending } = state;
  if (state.handover && pending && givesWay(state.handover))
    finish(context, state.handover, 'superseded', null);
  if (!state.handover && pending) {
    state.pending = null;
    begin(context, pending);
  }
  startWhenPossible(context);
  startHook(context);
  if (!state.handover && state.exit === null) leaveWhenEnded(context);
}

/** Asks the shell for what has changed of what it must keep doing. */
function demand(context: Context): void {
  const { state } = context;
  const before = state.demands;
  markLanes(state, before);
  const wanted = demandsOf(state);
  state.demands = wanted;
  const changed = (key: keyof Demands) => !isSame(before[key], wanted[key]);
  if (wanted.steering && changed('steering')) {
    const { main, canary, preview } = wanted.steering;
    // Before anything else of this step: what failed gets no connection more.
    context.effects.unshift({ type: 'steer', steering: wanted.steering });
    const percent = canary?.percent ?? null;
    report(context, { event: 'steering_changed', main, canary: percent, preview: preview !== null });
  }
  if (changed('attend')) emit(context, { type: 'attend', lanes: wanted.attend });
  if (changed('drain')) emit(context, { type: 'drain', workers: wanted.drain });
  if (changed('stalls')) emit(context, { type: 'watch_stalls', workers: wanted.stalls });
  if (changed('verify')) emit(context, { type: 'verify', generation: wanted.verify });
  if (changed('prepare')) emit(context, { type: 'prepare_lanes', lanes: wanted.prepare });
}

/** Notes since when a lane gets no new connections. */
function markLanes(state: State, before: Demands): void {
  const steered = steeredLanes(steeringOf(state));
  for (const lane of steeredLanes(before.steering)) {
    const known = state.lanes[lane];
    if (known && !steered.has(lane)) known.awayAt = state.now;
  }
  for (const lane of steered) {
    const known = state.lanes[lane];
    if (known) known.awayAt = null;
  }
}

/** Nothing runs and nothing will: the config never gave a service, or the restart policy ended with its last worker. */
function leaveWhenEnded(context: Context): void {
  const { state } = context;
  const incumbent = generationOf(state, state.incumbent);
  if (!incumbent) {
    if (state.generations.length === 0) leave(context, COULD_NOT_START);
    return;
  }
  if (state.generations.length > 1 || incumbent.stage.name === 'stopping' || !isGone(incumbent)) return;
  const last = ownWorkers(incumbent).findLast(({ life }) => life.name === 'ended' && life.exit !== null);
  leave(context, last?.life.name === 'ended' && last.life.exit ? last.life.exit : COULD_NOT_START);
}

function leave(context: Context, exit: ExitStatus): void {
  context.state.exit = exit;
  dropHooks(context, 'zero leaves');
  emit(context, { type: 'exit', exit });
}

function answer(context: Context, ticket: string | null, refusal: string | null): void {
  if (ticket !== null) emit(context, { type: 'answer', ticket, refusal });
}

function onStop(context: Context, event: Of<'stop'>): void {
  const { state } = context;
  const now = event.now || state.stop !== null;
  report(context, { event: 'stop_requested', by: event.by, now });
  if (!state.stop) {
    state.stop = { since: state.now, now };
    abortAll(context, `stopped by ${event.by}`);
    dropHooks(context, `stopped by ${event.by}`);
  }
  state.stop.now ||= now;
  for (const generation of state.generations) {
    stopGeneration(context, generation);
    if (!state.stop.now) continue;
    for (const worker of generation.workers) killWorker(context, generation, worker, 'stop now');
    for (const remains of generation.remains) remains.until = state.now;
  }
}
