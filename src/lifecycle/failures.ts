/* Consequences for a generation when a worker, a gate, a check or a step of the shell fails. */
import { formatDuration } from '../common/duration.ts';
import { type Context, emit, report, reportFailure } from './context.ts';
import { demandOf, onDemandFailed, onKeeperLost } from './demands.ts';
import type { Effect } from './effects.ts';
import type { Of, WorkerKey } from './events.ts';
import type { Failure } from './facts.ts';
import { endHung, type Generation, generationBehind, isUp, returnTo, stopGeneration } from './generation.ts';
import { endHandover } from './handover.ts';
import { hookAfter } from './hooks.ts';
import { joinFailed } from './join.ts';
import { noteLateRollback, noteRestart, noteStall } from './notifications.ts';
import { onKillLeftoversFailed } from './remains.ts';
import { retryAfter } from './restart.ts';
import { candidateOf, generationOf, handoverOf, workerOf } from './state.ts';
import { onSignalFailed } from './stopping.ts';
import { onWriteFailed } from './storage.ts';
import { amendVerdict } from './verdicts.ts';
import { onExited, onSpawnFailed, waitsForFirstStart } from './worker.ts';

/**
 * A generation has failed. A candidate is rolled back. A promoted generation is rolled back, too, as long as no worker
 * of the previous one was asked to stop.
 */
export function generationFailed(context: Context, id: number, failure: Failure): void {
  const { state } = context;
  const handover = handoverOf(state, id);
  const generation = generationOf(state, id);
  if (!generation) return;
  if (handover) {
    const incumbent = generationOf(state, handover.incumbent);
    // In the soak both may be down. Then the generation that passed its gates last stays.
    if (handover.step.name === 'soak' && incumbent && !isUp(incumbent)) return;
    endHandover(context, 'rolled_back', failure);
    return;
  }
  // During another handover zero moves forward: to its candidate, or to a restart.
  if (state.handover) return;
  const before = leavePromoted(context, generation, 'rolled_back', failure);
  if (before) noteLateRollback(context, before, generation, failure, null);
}

/**
 * Ends a promoted generation as long as no worker of the previous one was asked to stop, and returns that one, which
 * serves again. Undefined: nothing was done.
 */
function leavePromoted(
  context: Context,
  generation: Generation,
  outcome: 'rolled_back' | 'aborted',
  failure: Failure,
): Generation | undefined {
  const { state } = context;
  const { id } = generation;
  const before = generationBehind(state, id);
  if (!before || generation.stage.name !== 'serving' || !isUp(before)) return undefined;
  returnTo(context, before, generation);
  report(context, { event: 'generation_rolled_back', generation: id, incumbent: before.id, failure });
  amendVerdict(state, id, before.id, outcome, failure);
  hookAfter(context, before, { name: 'after_rollback', handover: null, generation, outcome });
  return before;
}

/**
 * The operator ends the handover in progress, or returns to the generation that the last one replaced. Returns why
 * nothing was done, or null.
 */
export function abort(context: Context, by: string): string | null {
  const { state } = context;
  const failure: Failure = { step: 'abort', reason: `aborted by ${by}` };
  if (state.handover) {
    endHandover(context, 'aborted', failure);
    return null;
  }
  const serving = generationOf(state, state.incumbent);
  const before = serving && leavePromoted(context, serving, 'aborted', failure);
  return before ? null : 'no handover is in progress';
}

/** Rescue workers, and workers that join or leave individually, do not count for the state of their generation. */
function workerFailed(
  context: Context,
  { generation, worker }: { readonly generation: number; readonly worker: number },
  failure: Failure | undefined,
): void {
  const found = generationOf(context.state, generation)?.workers[worker];
  if (!failure || joinFailed(context, found, failure) || found?.rescue || found?.membership === 'leaving')
    return;
  generationFailed(context, generation, failure);
}

/** A worker has exited, or could not be started. `failure`: why that is a failure; undefined where it is none. */
export function workerEnded(context: Context, key: WorkerKey, failure: Failure | undefined): void {
  const found = workerOf(context.state, key);
  if (found && failure) noteRestart(context, found.generation, found.worker);
  workerFailed(context, key, failure);
}

export function onWorkerExited(context: Context, event: Of<'exited'>): void {
  workerEnded(context, event, onExited(context, event));
}

export function onWorkerSpawnFailed(context: Context, event: Of<'spawn_failed'>): void {
  const { state } = context;
  const { stage, workers = [] } = generationOf(state, event.generation) ?? {};
  const isFirst = event.generation === state.firstGeneration && event.incarnation === 1;
  const firstStart = isFirst && stage?.name === 'starting' && workers[event.worker]?.rescue === false;
  const failure = onSpawnFailed(context, event);
  workerEnded(context, event, failure);
  const generation = generationOf(state, event.generation);
  const runs = workers.some(
    (worker) => ['up', 'spawning'].includes(worker.life.name) || waitsForFirstStart(worker),
  );
  // Nothing runs or is still to be started, and the operator who starts the supervisor reads the reason, so zero does not retry.
  if (failure && firstStart && generation && !runs) stopGeneration(context, generation);
}

export function onGateFailed(context: Context, event: Of<'gate_failed'>): void {
  const { generation, worker, gate, reason } = event;
  const failure: Failure = { step: `readiness.${gate}`, reason, generation, worker };
  const joins = workerOf(context.state, event)?.worker.membership === 'joining';
  if (joins || handoverOf(context.state, generation)) workerFailed(context, event, failure);
  else report(context, { event: 'warning', about: failure.step, message: `worker ${worker}: ${reason}` });
}

/** A worker accepts nothing although connections wait for it. */
export function onStalled(context: Context, event: Of<'stalled'>): void {
  const found = workerOf(context.state, event);
  const life = found?.worker.life;
  if (!found || life?.name !== 'up' || life.hung) return;
  const { generation, worker } = found;
  life.hung = true;
  const subject = { generation: generation.id, worker: worker.index };
  const { stall } = generation.settings.handover;
  const reason = `worker ${worker.index} is hung: connections wait for it and it has accepted none for ${formatDuration(stall)}`;
  report(context, { event: 'worker_stalled', ...subject });
  noteStall(context, generation, worker.index, reason);
  if (!worker.rescue && worker.membership === 'member') {
    generationFailed(context, generation.id, { step: 'stall', reason, ...subject });
  }
  endHung(context, generation, worker);
}

/** A hung worker accepts again. One that got SIGKILL meanwhile still exits. */
export function onRecovered(context: Context, event: Of<'recovered'>): void {
  const found = workerOf(context.state, event);
  const life = found?.worker.life;
  if (!found || life?.name !== 'up' || !life.hung || life.killed) return;
  life.hung = false;
  const subject = { generation: found.generation.id, worker: found.worker.index };
  report(context, { event: 'worker_stall_ended', ...subject, how: 'recovered' });
}

export function onVerifyFailed(context: Context, event: Of<'verify_failed'>): void {
  const { generation, reason } = event;
  generationFailed(context, generation, { step: 'verify', reason, generation });
}

/** The shell could not perform an effect. */
export function onEffectFailed(context: Context, { effect, failure }: Of<'failed'>): void {
  switch (effect.type) {
    case 'steer':
      if (onDemandFailed(context, 'steering', failure, effect.change)) steeringFailed(context, failure);
      return;
    case 'signal':
    case 'kill':
      onSignalFailed(context, effect, failure);
      return;
    case 'kill_leftovers':
      onKillLeftoversFailed(context, effect, failure);
      return;
    case 'listen_again':
      listenFailed(context, effect, failure);
      return;
    case 'keep_sockets':
      onKeeperLost(context, effect.version, failure);
      return;
    case 'write':
      onWriteFailed(context, effect.file, failure);
      return;
    case 'adopt':
      reportFailure(context, failure);
      generationFailed(context, effect.generation, failure);
      return;
    default: {
      const name = demandOf(effect.type);
      if (name) onDemandFailed(context, name, failure);
      else reportFailure(context, failure);
    }
  }
}

/** The kernel refused a steering change. zero attempts it again, and fails the handover that needed it. */
function steeringFailed(context: Context, failure: Failure): void {
  const { handover } = context.state;
  const candidate = candidateOf(handover);
  if (!handover || candidate === null) return;
  const isItsStep = handover.incumbent === null || handover.step.name !== 'starting';
  if (isItsStep) endHandover(context, 'rolled_back', { ...failure, generation: candidate });
}

function listenFailed(
  context: Context,
  { generation: id }: Extract<Effect, { type: 'listen_again' }>,
  failure: Failure,
): void {
  const generation = generationOf(context.state, id);
  if (!generation) return;
  if (generation.relisten === null) reportFailure(context, failure);
  generation.relisten = retryAfter(context.state.now, generation.relisten);
}

/** The listening sockets of a generation have their configured backlog. */
export function onListening({ state }: Context, id: number): void {
  const generation = generationOf(state, id);
  if (generation) generation.relisten = null;
}

/** Retries the listeners whose backlog could not be set. */
export function tickRelisten(context: Context): void {
  const { state } = context;
  for (const generation of state.generations) {
    const { relisten } = generation;
    if (relisten === null || state.now < relisten.at) continue;
    generation.relisten = retryAfter(state.now, relisten);
    emit(context, { type: 'listen_again', generation: generation.id });
  }
}
