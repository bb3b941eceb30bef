import type { Context } from './context.ts';
import { emit, report } from './context.ts';
import { copy } from './copy.ts';
import type { Effect } from './effects.ts';
import type { Event } from './events.ts';
import type { ExitStatus, Failure } from './facts.ts';
import {
  abortAll,
  begin,
  candidateFailed,
  finish,
  givesWay,
  onReload,
  onResolved,
  onResolveFailed,
  promoteWhenReady,
  tickReadiness,
} from './handover.ts';
import { generationOf, handoverOf, isGone, type State } from './state.ts';
import {
  killWorker,
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

/** The exhaustive table of what each event does. */
const handlers: { [T in Event['type']]: (context: Context, event: Extract<Event, { type: T }>) => void } = {
  reload: onReload,
  resolved: onResolved,
  resolve_failed: onResolveFailed,
  spawned: onSpawned,
  spawn_failed: (context, event) => {
    const firstStart = event.generation === 1 && event.incarnation === 1;
    const failure = onSpawnFailed(context, event);
    workerFailed(context, event.generation, failure);
    // Nothing has run yet, so whoever starts the supervisor is there to read why: it is not tried again.
    const generation = generationOf(context.state, event.generation);
    if (failure && firstStart && generation) stopGeneration(context, generation);
  },
  gate_passed: onGatePassed,
  gate_failed: (context, event) => {
    const { generation, worker, gate, reason } = event;
    const failure: Failure = { step: `readiness.${gate}`, reason, generation, worker };
    if (handoverOf(context.state, generation)) workerFailed(context, generation, failure);
    else report(context, { event: 'warning', about: failure.step, message: `worker ${worker}: ${reason}` });
  },
  exited: (context, event) => workerFailed(context, event.generation, onExited(context, event)),
  leftovers_gone: onLeftoversGone,
  pid_changed: onPidChanged,
  stop: onStop,
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
  }
  return context;
}

function dispatch<T extends Event['type']>(context: Context, event: Extract<Event, { type: T }>): void {
  const type = event.type as T;
  handlers[type](context, event);
}

/** The next time at which `step` wants a `tick`, in milliseconds of the events' clock; Infinity for never. */
export function nextDeadline(state: State): number {
  const deadlines = state.generations.map((generation) => {
    const { stage } = generation;
    const readiness =
      stage.name === 'starting' ? (stage.deadline ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    return Math.min(readiness, workersDeadline(generation));
  });
  return state.exit === null ? Math.min(Number.POSITIVE_INFINITY, ...deadlines) : Number.POSITIVE_INFINITY;
}

function passDeadlines(context: Context): void {
  for (const generation of [...context.state.generations]) {
    tickWorkers(context, generation);
    tickReadiness(context, generation);
  }
}

function workerFailed(context: Context, generation: number, failure: Failure | undefined): void {
  const handover = handoverOf(context.state, generation);
  if (failure && handover) candidateFailed(context, handover, failure);
}

/** What follows from the state by itself: promotion, generations that are gone, the next handover, the end. */
function advance(context: Context): void {
  const { state } = context;
  for (const generation of state.generations) promoteWhenReady(context, generation);
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
  if (!state.handover && state.exit === null) leaveWhenEnded(context);
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
  const last = incumbent.workers.findLast(({ life }) => life.name === 'ended' && life.exit !== null);
  leave(context, last?.life.name === 'ended' && last.life.exit ? last.life.exit : COULD_NOT_START);
}

function leave(context: Context, exit: ExitStatus): void {
  context.state.exit = exit;
  emit(context, { type: 'exit', exit });
}

function onStop(context: Context, event: Extract<Event, { type: 'stop' }>): void {
  const { state } = context;
  const now = event.now || state.stop !== null;
  report(context, { event: 'stop_requested', by: event.by, now });
  if (!state.stop) {
    state.stop = { since: state.now, now };
    abortAll(context, `stopped by ${event.by}`);
  }
  state.stop.now ||= now;
  for (const generation of state.generations) {
    stopGeneration(context, generation);
    if (!state.stop.now) continue;
    for (const worker of generation.workers) killWorker(context, generation, worker, 'stop now');
    for (const remains of generation.remains) remains.until = state.now;
  }
}
