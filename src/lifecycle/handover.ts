/*
 * A handover replaces the serving generation by a candidate. Its steps and transitions:
 *
 *   resolving ---> waiting ---> before_reload ---> starting ---> preview ---> canary ---> promoting ---> soak ---> promoted
 *                 (for older     (its hook)        (gates)                   (a step      (steering        |
 *                  generations)                                              each)         change)         |
 *       |            |              |                 |             |           |            |             |
 *       +------------+--------------+                 +-------------+-----------+------------+-------------+
 *                failed, aborted,                          rolled back, aborted, timed out, superseded:
 *                timed out, superseded                     new connections go to the incumbent again
 *
 * preview, canary and soak are skipped if the config has none. Promoting ends when the steering change is installed.
 * Only then does the old generation retire. If the kernel refuses the change, the step fails.
 *
 * A canary step and the soak end only when the newest check of `verify` has passed.
 *
 * Deadlines: `until` of preview, canary and soak; readiness.timeout of the candidate (starting). Deadlines of callers:
 * requests.ts.
 */
import { notReady, startCandidate } from './candidate.ts';
import { type Context, emit, report } from './context.ts';
import { isInstalled } from './demands.ts';
import type { Of } from './events.ts';
import type { Failure, HandoverOutcome } from './facts.ts';
import {
  type Generation,
  isReady,
  ownWorkers,
  retire,
  retiringGenerations,
  returnTo,
  stopGeneration,
} from './generation.ts';
import { dropHook, hookAfter, hookAtEnd, hookBefore } from './hooks.ts';
import { noteRolledBack } from './notifications.ts';
import type { Request } from './requests.ts';
import type { Settings } from './settings.ts';
import { candidateOf, generationOf, handoverOf } from './state.ts';
import { conclude, verdictOf } from './verdicts.ts';
import { handoverDeadline } from './verify.ts';
import { lateness } from './worker.ts';

export interface Handover {
  id: number;
  request: Request;
  since: number;
  /** The generation that keeps serving if the candidate fails. Null if none is worth keeping. */
  incumbent: number | null;
  step: HandoverStep;
}

export type HandoverStep =
  | { name: 'resolving' }
  /** Too many older generations are still retiring. */
  | { name: 'waiting'; settings: Settings }
  /** Its hook runs; nothing was started. */
  | { name: 'before_reload'; settings: Settings; hook: number }
  | { name: 'starting'; candidate: number }
  | { name: 'preview'; candidate: number; until: number }
  /** `verified`: the newest check of `verify` passed, and ended in this step. True without `verify`. */
  | { name: 'canary'; candidate: number; index: number; until: number; verified: boolean }
  /** All new connections are to go to the candidate; the kernel has not confirmed it. */
  | { name: 'promoting'; candidate: number }
  | { name: 'soak'; candidate: number; until: number; verified: boolean };

/** Starts the handover of a request. */
export function begin(context: Context, request: Request): void {
  const { state } = context;
  const { id, callers } = request;
  const { now: since, incumbent } = state;
  state.handover = { id, request, since, incumbent, step: { name: 'resolving' } };
  const by = callers.map((caller) => caller.by).join(', ');
  report(context, { event: 'handover_started', handover: id, incumbent, by });
  emit(context, { type: 'resolve', handover: id, rollback: request.wants.rollback });
}

export function onResolved(context: Context, event: Of<'resolved'>): void {
  const { state } = context;
  const handover = state.handover;
  if (handover?.id !== event.handover || handover.step.name !== 'resolving') {
    emit(context, { type: 'discard', handover: event.handover });
    return;
  }
  if (handover.request.wants.preview && !event.settings.handover.steered) {
    const reason = 'a preview needs a listener that can be steered, and this config has none';
    endHandover(context, 'failed', { step: 'preview', reason });
    return;
  }
  state.handshakeTime = Math.max(state.handshakeTime, event.settings.handover.handshake);
  handover.step = { name: 'waiting', settings: event.settings };
  if (!startWhenPossible(context)) reportStep(context, handover);
}

export function onResolveFailed(context: Context, event: Of<'resolve_failed'>): void {
  const handover = context.state.handover;
  if (handover?.id !== event.handover || handover.step.name !== 'resolving') return;
  finish(context, handover, 'failed', event.failure);
}

/** Creates the candidate, after its hook, unless too many older generations are still retiring. */
export function startWhenPossible(context: Context): boolean {
  const { state } = context;
  const { handover } = state;
  if (handover?.step.name !== 'waiting') return false;
  const { settings } = handover.step;
  if (retiringGenerations(state).length >= settings.handover.maxRetiring) return false;
  const hook = hookBefore(context, handover, settings);
  if (hook === null) {
    startCandidate(context, handover, settings);
    return true;
  }
  handover.step = { name: 'before_reload', settings, hook };
  reportStep(context, handover);
  return true;
}

/** The hook before the handover has ended. On success, the candidate is created. On failure, nothing was changed. */
export function onHookBefore(
  context: Context,
  ended: { readonly before: Handover; readonly failure: Failure | null } | null,
): void {
  const { before: handover, failure } = ended ?? {};
  if (handover?.step.name !== 'before_reload') return;
  if (failure) endHandover(context, 'failed', failure);
  else startCandidate(context, handover, handover.step.settings);
}

/** A generation that has passed every gate proceeds: a candidate to its preview or canary, any other one to serving. */
export function advanceReady(context: Context, generation: Generation): void {
  const { state } = context;
  if (generation.stage.name !== 'starting' || !isReady(generation)) return;
  const handover = handoverOf(state, generation.id);
  if (!handover) {
    // In step `promoting` the kernel steers to the candidate.
    const isPromoting = state.handover?.step.name === 'promoting';
    if (generation.id === state.incumbent && !isPromoting && isInstalled(state))
      serve(context, generation, null);
    return;
  }
  const { previewTimeout, steered } = generation.settings.handover;
  if (handover.incumbent === null) {
    generation.stage = { name: 'starting', deadline: null };
    handover.step = { name: 'promoting', candidate: generation.id };
    return;
  }
  generation.stage = { name: 'ready' };
  if (!steered) {
    handover.step = { name: 'promoting', candidate: generation.id };
  } else if (handover.request.wants.preview) {
    handover.step = { name: 'preview', candidate: generation.id, until: state.now + previewTimeout };
    reportStep(context, handover);
  } else {
    canaryStep(context, generation, handover, 0);
  }
}

/** Gives the candidate the share of this step; after the last step, everything. */
function canaryStep(context: Context, candidate: Generation, handover: Handover, index: number): void {
  const share = candidate.settings.handover.canary[index];
  if (!share) {
    handover.step = { name: 'promoting', candidate: candidate.id };
    return;
  }
  const until = context.state.now + share.for;
  const verified = !candidate.settings.handover.verify;
  handover.step = { name: 'canary', candidate: candidate.id, index, until, verified };
  reportStep(context, handover, share.percent);
}

/**
 * The kernel steers everything to the candidate. It serves, and the incumbent stands by during the soak, or retires.
 */
export function completePromotion(context: Context): void {
  const { state } = context;
  const { handover } = state;
  if (handover?.step.name !== 'promoting' || !isInstalled(state)) return;
  const candidate = generationOf(state, handover.step.candidate);
  const previous = generationOf(state, handover.incumbent);
  if (!candidate) return;
  serve(context, candidate, previous?.id ?? null);
  const { soak, steered, verify } = candidate.settings.handover;
  if (previous && steered && soak > 0) {
    previous.stage = { name: 'standby' };
    const until = state.now + soak;
    handover.step = { name: 'soak', candidate: candidate.id, until, verified: !verify };
    reportStep(context, handover);
  } else {
    endPromoted(context, handover);
  }
}

function serve(context: Context, generation: Generation, previous: number | null): void {
  generation.stage = { name: 'serving' };
  context.state.incumbent = generation.id;
  emit(context, { type: 'promoted', generation: generation.id });
  report(context, { event: 'generation_promoted', generation: generation.id, previous });
  if (handoverOf(context.state, generation.id)) return;
  const ending = { name: 'after_promote', handover: null, generation, outcome: 'promoted' } as const;
  hookAfter(context, generation, ending);
}

/** Retires the old generation. If both have the same sockets, it still accepts, so zero does not wait for it. */
function endPromoted(context: Context, handover: Handover): void {
  const successor = generationOf(context.state, candidateOf(handover));
  const previous = generationOf(context.state, handover.incumbent);
  if (previous && successor) {
    if (successor.settings.handover.steered) retire(context, previous, successor.id, true);
    else stopGeneration(context, previous);
  }
  finish(context, handover, 'promoted', null);
}

/**
 * The operator ends a preview, a canary or a soak in favour of the candidate. Returns why nothing was done, or null.
 */
export function proceed(context: Context): string | null {
  const { handover } = context.state;
  const candidate = generationOf(context.state, candidateOf(handover));
  if (!handover) return 'no handover is in progress';
  const { step, id } = handover;
  if (!candidate) return `handover ${id} has no candidate yet (step ${step.name})`;
  switch (step.name) {
    case 'preview':
      canaryStep(context, candidate, handover, 0);
      return null;
    case 'canary':
      handover.step = { name: 'promoting', candidate: candidate.id };
      return null;
    case 'soak':
      endPromoted(context, handover);
      return null;
    default:
      return `generation ${candidate.id} is not ready (handover ${id}, step ${step.name}). zero promotes it once its gates have passed.`;
  }
}

/**
 * Ends the handover in progress in any step: drops its preparations and sends new connections to the incumbent again.
 */
export function endHandover(context: Context, outcome: HandoverOutcome, cause: Failure): void {
  const { state } = context;
  const { handover } = state;
  if (!handover) return;
  const { step } = handover;
  const candidate = generationOf(state, candidateOf(handover));
  const incumbent = generationOf(state, handover.incumbent);
  const failure = candidate && outcome !== 'superseded' ? withCandidate(cause, candidate) : cause;
  if (!('candidate' in step)) {
    emit(context, { type: 'discard', handover: handover.id });
    if (step.name === 'before_reload') dropHook(context, step.hook, failure.reason);
    finish(context, handover, outcome, failure);
  } else if (candidate && incumbent) {
    returnTo(context, incumbent, candidate);
    finish(context, handover, outcome, failure);
  } else {
    // A first generation continues under its restart policy: there is no generation to roll back to.
    finish(context, handover, outcome === 'rolled_back' ? 'failed' : outcome, failure);
  }
}

/** Adds the candidate to a failure, with its output and its open gates. */
function withCandidate(cause: Failure, candidate: Generation): Failure {
  const subject = candidate.stage.name === 'starting' ? notReady(candidate) : { generation: candidate.id };
  return { ...subject, ...cause };
}

/** Ends the handover with a verdict, which its callers get when it is final. */
export function finish(
  context: Context,
  handover: Handover,
  outcome: HandoverOutcome,
  failure: Failure | null,
): void {
  const { state } = context;
  const generation = candidateOf(handover);
  const duration = state.now - handover.request.since;
  const incumbent = state.incumbent;
  const ids = { handover: handover.id, generation, incumbent };
  state.handover = null;
  report(context, { event: 'handover_finished', ...ids, outcome, duration, failure });
  const { callers, wants } = handover.request;
  const label = wants.label ?? generationOf(state, generation)?.label ?? null;
  const verdict = { ...verdictOf(outcome, duration, failure), ...ids, label };
  const hook = hookAtEnd(context, handover, outcome);
  if (outcome === 'rolled_back' && failure) noteRolledBack(context, handover, failure);
  const retiring = outcome === 'promoted' ? handover.incumbent : null;
  if (hook === null && retiring === null) conclude(context, handover.id, callers, verdict);
  else state.owed.push({ callers, verdict, hook, retiring });
}

/** If no worker of the incumbent serves any more and a candidate has passed its gates, the candidate takes over. */
export function promoteInPlaceOfDead({ state }: Context): void {
  const { handover } = state;
  if (handover?.step.name !== 'preview' && handover?.step.name !== 'canary') return;
  const { candidate } = handover.step;
  const incumbent = generationOf(state, handover.incumbent);
  if (!incumbent || !generationOf(state, candidate)) return;
  const isAlive = ownWorkers(incumbent).some(({ life }) => life.name === 'up');
  if (!isAlive) handover.step = { name: 'promoting', candidate };
}

/** Handles the deadlines of the handover in progress. */
export function tickHandover(context: Context): void {
  const { state } = context;
  const { handover } = state;
  if (!handover || state.now < handoverDeadline(state)) return;
  const { step } = handover;
  if (!('until' in step)) return;
  const candidate = generationOf(state, step.candidate);
  if (step.name === 'preview') {
    endHandover(context, 'aborted', {
      step: 'preview',
      reason: 'it was not promoted within preview_timeout',
    });
  } else if (step.name === 'canary') {
    if (candidate) canaryStep(context, candidate, handover, step.index + 1);
  } else {
    endPromoted(context, handover);
  }
}

/** A candidate that took too long has failed. A first generation is reported once and stays. */
export function tickReadiness(context: Context, generation: Generation): void {
  const { stage } = generation;
  if (stage.name !== 'starting' || stage.deadline === null || context.state.now < stage.deadline) return;
  stage.deadline = null;
  const after = context.state.now - generation.since;
  const { worker, waiting, reason } = lateness(ownWorkers(generation), after);
  const subject = { generation: generation.id, worker };
  report(context, { event: 'worker_not_ready', ...subject, waiting, after });
  if (!handoverOf(context.state, generation.id)) return;
  endHandover(context, 'rolled_back', { step: 'readiness.timeout', reason, ...subject });
}

function reportStep(context: Context, { id, step }: Handover, percent: number | null = null): void {
  report(context, {
    event: 'handover_step',
    handover: id,
    step: step.name,
    generation: 'candidate' in step ? step.candidate : null,
    percent,
    lasts: 'until' in step ? Math.max(0, step.until - context.state.now) : null,
  });
}
