import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import type { Failure } from './facts.ts';
import { amendVerdict, dropHook, hookAfter } from './hooks.ts';
import { retire, stay } from './leaving.ts';
import {
  candidateOf,
  type Generation,
  generationBehind,
  generationOf,
  type Handover,
  handoverOf,
  isReady,
  isUp,
  ownWorkers,
  type Verdict,
} from './state.ts';
import { finish } from './verdict.ts';
import { killHung, stopGeneration } from './workers.ts';

/** A generation that has passed every gate goes on: to its preview or canary as a candidate, else it serves. */
export function advanceRollout(context: Context, generation: Generation): void {
  if (generation.stage.name !== 'starting' || !isReady(generation)) return;
  const handover = handoverOf(context.state, generation.id);
  if (!handover || handover.incumbent === null) {
    promote(context, generation, handover);
    return;
  }
  generation.stage = { name: 'ready' };
  const { previewTimeout, steered } = generation.settings.handover;
  if (!steered) {
    promote(context, generation, handover);
  } else if (handover.request.preview) {
    handover.step = { name: 'preview', candidate: generation.id, until: context.state.now + previewTimeout };
    reportStep(context, handover, null);
  } else {
    canaryStep(context, generation, handover, 0);
  }
}

/** The candidate gets the share of this step; after the last one it gets everything. */
function canaryStep(context: Context, candidate: Generation, handover: Handover, index: number): void {
  const share = candidate.settings.handover.canary[index];
  if (!share) {
    promote(context, candidate, handover);
    return;
  }
  const until = context.state.now + share.for;
  handover.step = { name: 'canary', candidate: candidate.id, index, until };
  reportStep(context, handover, share.percent);
}

/** The generation serves. As a candidate it replaces the incumbent, which stands by during the soak, or leaves. */
function promote(context: Context, generation: Generation, handover: Handover | undefined): void {
  const { state } = context;
  const previous = generationOf(state, handover?.incumbent ?? null);
  generation.stage = { name: 'serving' };
  state.incumbent = generation.id;
  emit(context, { type: 'promoted', generation: generation.id });
  report(context, {
    event: 'generation_promoted',
    generation: generation.id,
    previous: previous?.id ?? null,
  });
  const { soak, steered } = generation.settings.handover;
  if (handover && previous && steered && soak > 0) {
    previous.stage = { name: 'standby' };
    handover.step = { name: 'soak', candidate: generation.id, until: state.now + soak };
    reportStep(context, handover, null);
    return;
  }
  if (previous) letGo(context, previous, generation);
  if (handover) finish(context, handover, 'promoted', null);
  else {
    const ending = { name: 'after_promote', handover: null, generation, outcome: 'promoted' } as const;
    hookAfter(context, generation, ending, null);
  }
}

/** The old generation leaves. Where both hold the same sockets it still accepts, so there is nothing to wait for. */
function letGo(context: Context, previous: Generation, successor: Generation): void {
  if (successor.settings.handover.steered) retire(context, previous, successor.id, true);
  else stopGeneration(context, previous);
}

/** The soak is over: the handover is, too. */
function endSoak(context: Context, handover: Handover): void {
  const { state } = context;
  const successor = generationOf(state, candidateOf(handover));
  const previous = generationOf(state, handover.incumbent);
  if (previous && successor) letGo(context, previous, successor);
  finish(context, handover, 'promoted', null);
}

/** Goes on from where the handover waits. Returns why it cannot. */
export function goOn(context: Context): string | null {
  const { handover } = context.state;
  const candidate = generationOf(context.state, candidateOf(handover));
  if (!handover || !candidate) return 'no handover is in progress';
  switch (handover.step.name) {
    case 'preview':
      canaryStep(context, candidate, handover, 0);
      return null;
    case 'canary':
      promote(context, candidate, handover);
      return null;
    case 'soak':
      endSoak(context, handover);
      return null;
    default:
      return `generation ${candidate.id} is not ready yet: it is promoted when its gates have passed`;
  }
}

/**
 * Back to the incumbent: new connections go there at once, the candidate is stopped. A candidate that had public connections finishes
 * those it has. A first generation goes on under its restart policy, because there is nothing to go back to.
 */
export function rollBack(
  context: Context,
  handover: Handover,
  outcome: Verdict['outcome'],
  failure: Failure,
): void {
  const { state } = context;
  const candidate = generationOf(state, candidateOf(handover));
  const incumbent = generationOf(state, handover.incumbent);
  if (!candidate || !incumbent) {
    finish(context, handover, outcome === 'rolled_back' ? 'failed' : outcome, failure);
    return;
  }
  goBackTo(context, incumbent, candidate);
  finish(context, handover, outcome, failure);
}

/** Ends the handover in progress wherever it is: what it prepared is dropped, its candidate goes back. */
export function endHandover(context: Context, outcome: Verdict['outcome'], failure: Failure): void {
  const { state } = context;
  const { handover } = state;
  if (!handover) return;
  const { step } = handover;
  if (!('candidate' in step)) {
    emit(context, { type: 'discard', handover: handover.id });
    if (step.name === 'before_reload') dropHook(context, step.hook, failure.reason);
    finish(context, handover, outcome, failure);
  } else {
    rollBack(context, handover, outcome, failure);
  }
}

function goBackTo(context: Context, incumbent: Generation, candidate: Generation): void {
  incumbent.stage = { name: 'serving' };
  context.state.incumbent = incumbent.id;
  stay(context, incumbent);
  if (candidate.stage.name === 'starting') stopGeneration(context, candidate);
  else retire(context, candidate, incumbent.id, false);
}

/**
 * A generation has failed. A candidate is rolled back; one that was promoted, too, as long as nobody of the generation before it was told
 * to stop.
 */
export function generationFailed(context: Context, id: number, failure: Failure): void {
  const { state } = context;
  const handover = handoverOf(state, id);
  const generation = generationOf(state, id);
  if (!generation) return;
  if (handover) {
    const incumbent = generationOf(state, handover.incumbent);
    const soaks = handover.step.name === 'soak';
    // In the soak both may be down; then the one that passed its gates last goes on.
    if (soaks && incumbent && !isUp(incumbent)) return;
    rollBack(context, handover, 'rolled_back', failure);
    return;
  }
  // With another handover in progress the way on is forward: to its candidate, or to a restart.
  if (state.handover) return;
  const before = generationBehind(state, id);
  if (!before || generation.stage.name !== 'serving' || !isUp(before)) return;
  goBackTo(context, before, generation);
  report(context, { event: 'generation_rolled_back', generation: id, incumbent: before.id, failure });
  amendVerdict(state, id, before.id, failure);
  const ending = { name: 'after_rollback', handover: null, generation, outcome: 'rolled_back' } as const;
  hookAfter(context, before, ending, null);
}

/** The incumbent has nobody left who serves, and a candidate that passed its gates is there: it takes over. */
export function promoteInPlaceOfDead(context: Context): void {
  const { state } = context;
  const { handover } = state;
  if (handover?.step.name !== 'preview' && handover?.step.name !== 'canary') return;
  const candidate = generationOf(state, handover.step.candidate);
  const incumbent = generationOf(state, handover.incumbent);
  if (candidate && incumbent && !ownWorkers(incumbent).some(({ life }) => life.name === 'up')) {
    promote(context, candidate, handover);
  }
}

/** The deadlines of the handover in progress. */
export function tickHandover(context: Context): void {
  const { state } = context;
  const { handover } = state;
  if (!handover || !('until' in handover.step) || state.now < handover.step.until) return;
  const { step } = handover;
  const candidate = generationOf(state, step.candidate);
  if (step.name === 'preview') {
    endHandover(context, 'aborted', { step: 'preview', reason: 'nobody promoted it within preview_timeout' });
  } else if (step.name === 'canary') {
    if (candidate) canaryStep(context, candidate, handover, step.index + 1);
  } else if (step.name === 'soak') {
    endSoak(context, handover);
  }
}

/** A worker accepts nothing although connections wait for it. */
export function onStalled(context: Context, event: Of<'stalled'>): void {
  const { state } = context;
  const { generation: id, worker: index } = event;
  const generation = generationOf(state, id);
  const worker = generation?.workers[index];
  if (
    !generation ||
    worker?.incarnation !== event.incarnation ||
    worker.life.name !== 'up' ||
    worker.life.hung
  )
    return;
  worker.life.hung = true;
  report(context, { event: 'worker_stalled', generation: id, worker: index });
  if (worker.relief) {
    // It is there for nothing else; another start may do better.
    killHung(context, generation, worker);
    return;
  }
  const reason = `worker ${index} hangs: connections wait for it and it has accepted none for ${generation.settings.handover.stall} ms`;
  generationFailed(context, id, { step: 'stall', reason, generation: id, worker: index });
  if (generation.stage.name !== 'serving') return;
  if (generation.settings.restart.onStall) killHung(context, generation, worker);
  else worker.life.hung = false;
}

export function onVerifyFailed(context: Context, event: Of<'verify_failed'>): void {
  const { generation, reason } = event;
  generationFailed(context, generation, { step: 'verify', reason, generation });
}

/** A candidate that took too long has failed; a first generation is reported once and goes on. */
export function tickReadiness(context: Context, generation: Generation): void {
  const { stage } = generation;
  if (stage.name !== 'starting' || stage.deadline === null || context.state.now < stage.deadline) return;
  stage.deadline = null;
  const late = ownWorkers(generation).find(({ life }) => life.name !== 'up' || life.readyAt === null);
  const waiting = late?.life.name === 'up' ? late.life.waiting : [];
  const after = context.state.now - generation.since;
  const worker = late?.index ?? 0;
  report(context, { event: 'worker_not_ready', generation: generation.id, worker, waiting, after });
  const handover = handoverOf(context.state, generation.id);
  if (!handover) return;
  rollBack(context, handover, 'rolled_back', {
    step: 'readiness.timeout',
    reason: `worker ${worker} was not ready after ${Math.round(after)} ms: ${waiting.length > 0 ? `still waiting for ${waiting.join(', ')}` : 'it is not running'}`,
    generation: generation.id,
    worker,
  });
}

function reportStep(context: Context, handover: Handover, percent: number | null): void {
  const { step } = handover;
  report(context, {
    event: 'handover_step',
    handover: handover.id,
    step: step.name,
    generation: candidateOf(handover),
    percent,
    lasts: 'until' in step ? Math.max(0, step.until - context.state.now) : null,
  });
}
