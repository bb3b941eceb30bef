import { onAdopted } from './adopt.ts';
import { type Context, emit, report } from './context.ts';
import { demand, demandOf, demandsDeadline, onKept, onSteered } from './demands.ts';
import type { AnsweredEffect, Effect } from './effects.ts';
import { type Event, eventsOf, type Of } from './events.ts';
import {
  abort,
  onEffectFailed,
  onGateFailed,
  onListening,
  onRecovered,
  onStalled,
  onVerifyFailed,
  onWorkerExited,
  onWorkerSpawnFailed,
  tickRelisten,
} from './failures.ts';
import {
  generationDeadline,
  hasEnded,
  isDrainNews,
  onDrainReport,
  onLabelled,
  tickLeaving,
} from './generation.ts';
import {
  advanceReady,
  begin,
  completePromotion,
  onHookBefore,
  onResolved,
  onResolveFailed,
  proceed,
  promoteInPlaceOfDead,
  startWhenPossible,
  tickHandover,
  tickReadiness,
} from './handover.ts';
import { onLiveness, onMemoryExceeded } from './health.ts';
import { hooksDeadline, onHookFinished, startHooks, tickHooks } from './hooks.ts';
import { advanceJoin, joinDeadline, onScale, tickJoin } from './join.ts';
import { noteQueue, quietAt } from './lane.ts';
import { onContinued } from './recover.ts';
import { onLeftoversGone, onLeftoversKilled, tickRemains } from './remains.ts';
import { nextRequest, onReload, requestsDeadline, tickRequests } from './requests.ts';
import { onLaneQueued } from './rescue.ts';
import { scalesDeadline, tickScales } from './scale.ts';
import { copyState, generationOf, type State } from './state.ts';
import { exitWhenEnded, exitWhenStopped, onStop } from './stop.ts';
import { isRepeated, onSignalled } from './stopping.ts';
import { onWriteFailed, onWritten, storageDeadline, tickStorage } from './storage.ts';
import { tickUnheard, unheardDeadline } from './unheard.ts';
import { deliverVerdicts } from './verdicts.ts';
import { handoverDeadline, onVerifyChecked } from './verify.ts';
import { onDrains, onGatePassed, onPidChanged, onSpawned, tickWorkers } from './worker.ts';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Processes that one turn of the event loop starts. A start blocks the main thread until the new process executes its
 * program (vfork(2)), which takes 3 ms or more.
 */
const MAX_STARTS = 3;

/** The exhaustive table of event handlers. */
const handlers: { [T in Event['type']]: (context: Context, event: Of<T>) => void } = {
  reload: onReload,
  promote: (context, { ticket }) => answer(context, ticket, proceed(context)),
  abort: (context, { ticket, by }) => answer(context, ticket, abort(context, by)),
  scale: onScale,
  stop: onStop,
  resolved: onResolved,
  resolve_failed: onResolveFailed,
  spawned: onSpawned,
  spawn_failed: onWorkerSpawnFailed,
  gate_passed: onGatePassed,
  gate_failed: onGateFailed,
  exited: onWorkerExited,
  leftovers_gone: onLeftoversGone,
  pid_changed: onPidChanged,
  drains: onDrains,
  drain_report: onDrainReport,
  stalled: onStalled,
  recovered: onRecovered,
  memory_exceeded: onMemoryExceeded,
  liveness: onLiveness,
  lane_queued: onLaneQueued,
  lane_empty: ({ state }, { lane }) => noteQueue(state, lane, 0),
  verify_checked: onVerifyChecked,
  verify_failed: onVerifyFailed,
  labelled: onLabelled,
  hook_finished: (context, event) => onHookBefore(context, onHookFinished(context, event)),
  done: (context, { effect }) => onDone(context, effect),
  failed: onEffectFailed,
  write_failed: (context, { file, failure }) => onWriteFailed(context, file, failure),
  continued: onContinued,
  adopted: onAdopted,
  sockets_changed: ({ state }, { version }) => {
    state.sockets = version;
  },
  tick: () => {},
  batch: (context, { events }) => {
    for (const event of events) dispatch(context, event);
  },
};

/** Handles a performed effect. Most need nothing, or nothing unless an earlier attempt has failed. */
function onDone(context: Context, effect: AnsweredEffect): void {
  const name = demandOf(effect.type);
  if (effect.type === 'steer') onSteered(context, effect);
  else if (effect.type === 'signal' || effect.type === 'kill') onSignalled(context, effect);
  else if (effect.type === 'kill_leftovers') onLeftoversKilled(context, effect);
  else if (effect.type === 'listen_again') onListening(context, effect.generation);
  else if (effect.type === 'write') onWritten(context, effect.file);
  else if (effect.type === 'keep_sockets') onKept(context, effect.version);
  else if (name) delete context.state.retries[name];
}

/** Whether the event can change the state. If not, no copy is needed. */
function isNews(state: State, event: Event): boolean {
  if (event.type === 'done') return matters(state, event.effect);
  return event.type !== 'drain_report' || isDrainNews(state, event);
}

/** Whether a performed effect can change the state. Usually it cannot. */
function matters(state: State, effect: AnsweredEffect): boolean {
  switch (effect.type) {
    case 'signal':
    case 'kill':
      return isRepeated(state, effect);
    case 'steer':
    case 'kill_leftovers':
    case 'write':
      return true;
    case 'listen_again':
      return (generationOf(state, effect.generation)?.relisten ?? null) !== null;
    default: {
      const name = demandOf(effect.type);
      return name !== null && state.retries[name] !== undefined;
    }
  }
}

/**
 * The whole behaviour of the supervisor: returns the next state and the effects of an event. Pure: it uses no clock, no
 * randomness and no input except its arguments, and does not change the given state.
 */
export function step(state: State, event: Event): { state: State; effects: Effect[] } {
  if (!eventsOf(event).some((one) => isNews(state, one))) return { state, effects: [] };
  // The answers of a start come in the same turn of the event loop.
  const starts = eventsOf(event).some(({ type }) => type === 'spawned') ? 0 : MAX_STARTS;
  const context: Context = { state: copyState(state), effects: [], starts };
  context.state.now = Math.max(state.now, event.at);
  if (context.state.exit === null) {
    dispatch(context, event);
    passDeadlines(context);
    advance(context);
    demand(context);
  }
  return { state: context.state, effects: context.effects };
}

function dispatch<T extends Event['type']>(context: Context, event: Of<T>): void {
  const type = event.type as T;
  handlers[type](context, event);
}

/** The next time at which `step` wants a `tick`, in milliseconds of the events' clock; Infinity for never. */
export function nextDeadline(state: State): number {
  if (state.exit !== null) return NEVER;
  const { demands } = state;
  return Math.min(
    NEVER,
    handoverDeadline(state),
    requestsDeadline(state),
    hooksDeadline(state),
    storageDeadline(state),
    demandsDeadline(state),
    joinDeadline(state),
    scalesDeadline(state),
    unheardDeadline(state),
    ...state.generations.map((generation) => generationDeadline(state, generation)),
    ...demands.attend.lanes.map((lane) => quietAt(state, lane)),
  );
}

function passDeadlines(context: Context): void {
  tickHandover(context);
  tickRequests(context);
  onHookBefore(context, tickHooks(context));
  for (const generation of [...context.state.generations]) {
    tickWorkers(context, generation);
    tickRemains(context, generation);
    tickReadiness(context, generation);
    tickLeaving(context, generation);
  }
  tickJoin(context);
  tickScales(context);
  tickUnheard(context);
  tickRelisten(context);
  tickStorage(context);
}

/**
 * Everything that the state implies: promotion, removal of ended generations, the next handover, final verdicts, the
 * exit.
 */
function advance(context: Context): void {
  const { state } = context;
  advanceJoin(context);
  for (const generation of state.generations) advanceReady(context, generation);
  promoteInPlaceOfDead(context);
  completePromotion(context);
  // After a failure in this step, no worker may be left to wait for.
  for (const generation of state.generations) tickLeaving(context, generation);
  for (const generation of state.generations.filter(hasEnded)) removeGeneration(context, generation.id);
  if (state.stop) {
    deliverVerdicts(context);
    exitWhenStopped(context);
    return;
  }
  const request = nextRequest(context);
  if (request) begin(context, request);
  startWhenPossible(context);
  startHooks(context);
  deliverVerdicts(context);
  exitWhenEnded(context);
}

function removeGeneration(context: Context, id: number): void {
  const { state } = context;
  const generation = generationOf(state, id);
  if (generation?.stage.name !== 'stopping') return;
  const { retired, since } = generation.stage;
  const { usage } = generation;
  state.generations = state.generations.filter((other) => other !== generation);
  if (state.incumbent === id) state.incumbent = null;
  emit(context, { type: 'release', generation: id });
  const retiredFor = retired ? state.now - since : null;
  report(context, { event: 'generation_gone', generation: id, retiredFor, usage });
  if (!retired && state.incumbent !== null)
    emit(context, { type: 'listen_again', generation: state.incumbent });
}

function answer(context: Context, ticket: string | null, refusal: string | null): void {
  if (ticket !== null) emit(context, { type: 'answer', ticket, refusal });
}
