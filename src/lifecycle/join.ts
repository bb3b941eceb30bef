/*
 * Workers that join the serving generation. Their states and transitions:
 *
 *   spawned ---> joining -----------------------------> members; the worker that is replaced retires
 *                   |        all of them are ready
 *                   |
 *                   |  one exits, fails a gate or is late (readiness.timeout); a handover has a candidate; a newer
 *                   |  request; the caller's deadline; the generation no longer serves
 *                   +---------------------------------> leaving; the other workers stay as they were
 *
 * Either all of them become members, or none. New connections reach only members. At most one such change is in
 * progress.
 */
import { type Context, report } from './context.ts';
import type { Of } from './events.ts';
import type { Failure, ReplacementCause, ScaleOutcome } from './facts.ts';
import { type Generation, isServingNow } from './generation.ts';
import { addWorker, retireWorker } from './membership.ts';
import { completeReplacement, type Replacement, replacementFailed } from './replacement.ts';
import {
  activeWorkers,
  answerScale,
  endScale,
  retireSurplus,
  type ScaleRequest,
  scaleRefusal,
  supersedeScales,
} from './scale.ts';
import { candidateOf, generationOf, type State } from './state.ts';
import { isReadyWorker, lateness, type Worker } from './worker.ts';

export interface Join {
  generation: number;
  since: number;
  /** When readiness.timeout expires. */
  deadline: number;
  purpose: { readonly name: 'scale'; readonly request: ScaleRequest } | Replacement;
}

type End = Exclude<ScaleOutcome, 'done' | 'in_progress'>;

const NEVER = Number.POSITIVE_INFINITY;

/** An operator requests a different number of workers. */
export function onScale(context: Context, { by, ticket, workers: to, timeout }: Of<'scale'>): void {
  const { state } = context;
  const { now } = state;
  const generation = generationOf(state, state.incumbent);
  const from = activeWorkers(generation).length;
  const deadline = timeout === null ? null : now + timeout;
  const request: ScaleRequest = { ticket, by, from, to, since: now, deadline };
  const refusal = scaleRefusal(state);
  if (refusal !== null || !generation) {
    answerScale(context, request, 'failed', { step: 'scale', reason: refusal ?? 'no generation serves' });
    return;
  }
  const newer: Failure = { step: 'scale', reason: `replaced by a request of ${by} for ${to} workers` };
  endJoin(context, 'superseded', newer);
  supersedeScales(context, newer);
  report(context, { event: 'scale_started', generation: generation.id, by, from, to });
  if (to > from) {
    begin(context, generation, { name: 'scale', request });
    for (let missing = to - from; missing > 0; missing -= 1) addWorker(context, generation);
  } else {
    retireSurplus(context, generation, request);
  }
}

/** Starts the worker that is to replace another one. The caller has checked `mayReplace`. */
export function startReplacement(
  context: Context,
  generation: Generation,
  { index: worker }: Worker,
  cause: ReplacementCause,
  reason: string,
): void {
  const { index: replacement } = addWorker(context, generation);
  begin(context, generation, { name: 'replace', worker, replacement, cause, reason });
  const subject = { generation: generation.id, worker, replacement };
  report(context, { event: 'worker_replacing', ...subject, cause, reason });
}

function begin({ state }: Context, { id, settings }: Generation, purpose: Join['purpose']): void {
  const deadline = state.now + settings.readinessTimeout;
  state.join = { generation: id, since: state.now, deadline, purpose };
}

function joiners(generation: Generation | undefined): Worker[] {
  return generation?.workers.filter(({ membership }) => membership === 'joining') ?? [];
}

/** Completes the change when every worker is ready, and ends it when its reason has ceased. */
export function advanceJoin(context: Context): void {
  const { state } = context;
  const { join } = state;
  if (!join) return;
  const generation = generationOf(state, join.generation);
  const { handover, stop } = state;
  if (stop) {
    endJoin(context, 'aborted', { step: 'stop', reason: 'the supervisor is stopping' });
  } else if (!generation || !isServingNow(generation)) {
    const reason = `generation ${join.generation} no longer serves`;
    endJoin(context, 'superseded', { step: 'handover', reason });
  } else if (candidateOf(handover) !== null) {
    const reason = `handover ${handover?.id} has started, which decides the workers`;
    endJoin(context, 'superseded', { step: 'handover', reason });
  } else if (joiners(generation).every(isReadyWorker)) {
    complete(context, generation, join);
  }
}

function complete(context: Context, generation: Generation, { purpose, since }: Join): void {
  const { state } = context;
  state.join = null;
  for (const worker of joiners(generation)) worker.membership = 'member';
  if (purpose.name === 'scale') endScale(context, purpose.request, 'done', null);
  else completeReplacement(context, generation, purpose, state.now - since);
}

/** A joining worker has failed. Returns false for any other worker. */
export function joinFailed(context: Context, worker: Worker | undefined, failure: Failure): boolean {
  if (worker?.membership !== 'joining') return false;
  endJoin(context, 'failed', failure);
  return true;
}

/** Ends the change in progress, if any: the joining workers retire. */
function endJoin(context: Context, outcome: End, failure: Failure): void {
  const { state } = context;
  const { join } = state;
  if (!join) return;
  const generation = generationOf(state, join.generation);
  state.join = null;
  for (const worker of joiners(generation)) if (generation) retireWorker(context, generation, worker);
  const { purpose } = join;
  if (purpose.name === 'scale') endScale(context, purpose.request, outcome, failure);
  else if (generation)
    replacementFailed(context, generation, purpose, { failure, counts: outcome === 'failed' });
}

/** A change that takes too long has failed, or its caller's timeout has expired. */
export function tickJoin(context: Context): void {
  const { state } = context;
  const { join } = state;
  if (!join) return;
  const deadline = callerDeadline(join);
  if (state.now >= deadline) {
    const reason = 'the timeout of the caller has expired: the new workers were not ready';
    endJoin(context, 'timed_out', { step: 'timeout', reason });
  } else if (state.now >= join.deadline) {
    endJoin(context, 'failed', lateFailure(state, join));
  }
}

function lateFailure(state: State, { generation: id, since }: Join): Failure {
  const { worker, reason } = lateness(joiners(generationOf(state, id)), state.now - since);
  return { step: 'readiness.timeout', reason, generation: id, worker };
}

function callerDeadline({ purpose }: Join): number {
  return purpose.name === 'scale' ? (purpose.request.deadline ?? NEVER) : NEVER;
}

/** When the change in progress wants a `tick`; Infinity for never. */
export function joinDeadline({ join }: State): number {
  return join === null ? NEVER : Math.min(join.deadline, callerDeadline(join));
}
