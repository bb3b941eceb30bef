import { type Context, emit, report } from './context.ts';
import type { Event } from './events.ts';
import type { Failure } from './facts.ts';
import {
  type Generation,
  generationOf,
  type Handover,
  handoverOf,
  isReady,
  type Request,
  type Verdict,
  type Worker,
} from './state.ts';
import { spawnWorker, stopGeneration } from './workers.ts';

type Of<T extends Event['type']> = Extract<Event, { type: T }>;

/** A handover is wanted: it begins now, or becomes part of the one that follows the current one. */
export function onReload(context: Context, event: Of<'reload'>): void {
  const { state } = context;
  const tickets = event.ticket === null ? [] : [event.ticket];
  if (state.stop) {
    if (tickets.length > 0) {
      const failure = { step: 'stop', reason: 'the supervisor is stopping' };
      emit(context, { type: 'verdict', tickets, verdict: verdict('aborted', 0, failure) });
    }
    return;
  }
  const merged = state.handover !== null && !givesWay(state.handover);
  if (event.by !== 'start') report(context, { event: 'reload_requested', by: event.by, merged });
  const request: Request = { by: event.by, tickets, since: state.now };
  // What is pending begins as soon as it can: in this very step where nothing is under way.
  if (state.pending) state.pending.tickets.push(...tickets);
  else state.pending = request;
}

/** A start that nothing serves beside is not waited for: it is given up for the next one, as soon as that is known to be possible. */
export function givesWay(handover: Handover): boolean {
  return handover.step.name === 'starting' && handover.incumbent === null;
}

/** Starts the handover that a request asks for. */
export function begin(context: Context, request: Request): void {
  const { state } = context;
  const id = state.nextHandover++;
  state.handover = { id, request, since: state.now, incumbent: state.incumbent, step: { name: 'resolving' } };
  report(context, { event: 'handover_started', handover: id, incumbent: state.incumbent });
  emit(context, { type: 'resolve', handover: id });
}

/** The candidate can be made: it is started beside the incumbent, or in place of one that never became ready. */
export function onResolved(context: Context, event: Of<'resolved'>): void {
  const { state } = context;
  const handover = state.handover;
  if (handover?.id !== event.handover || handover.step.name !== 'resolving') {
    emit(context, { type: 'discard', handover: event.handover });
    return;
  }
  const incumbent = generationOf(state, state.incumbent);
  const keep = incumbent?.stage.name === 'serving';
  const candidate: Generation = {
    id: state.nextGeneration++,
    settings: event.settings,
    since: state.now,
    workers: Array.from({ length: event.settings.workers }, (_, index) => newWorker(index)),
    stage: { name: 'starting', deadline: state.now + event.settings.readinessTimeout },
    remains: [],
    usage: null,
  };
  handover.step = { name: 'starting', candidate: candidate.id };
  handover.incumbent = keep ? incumbent.id : null;
  state.generations.push(candidate);
  emit(context, { type: 'adopt', handover: handover.id, generation: candidate.id });
  if (!keep) {
    // Nothing that ever served is lost, so nothing is worth waiting for: the new one is the service from now on.
    if (incumbent) stopGeneration(context, incumbent);
    state.incumbent = candidate.id;
  }
  report(context, {
    event: 'service_starting',
    generation: candidate.id,
    path: event.settings.path,
    directory: event.settings.directory,
    workers: event.settings.workers,
  });
  for (const worker of candidate.workers) spawnWorker(context, candidate, worker);
}

function newWorker(index: number): Worker {
  return { index, incarnation: 0, attempts: 0, life: { name: 'ended', exit: null } };
}

export function onResolveFailed(context: Context, event: Of<'resolve_failed'>): void {
  const handover = context.state.handover;
  if (handover?.id !== event.handover || handover.step.name !== 'resolving') return;
  finish(context, handover, 'failed', event.failure);
}

/**
 * The candidate of a handover has failed. Where an incumbent serves, the candidate is stopped and the incumbent stays as it was; a
 * first generation goes on under its restart policy, because there is nothing to go back to.
 */
export function candidateFailed(context: Context, handover: Handover, failure: Failure): void {
  const { state } = context;
  if (handover.step.name !== 'starting') return;
  const candidate = generationOf(state, handover.step.candidate);
  if (handover.incumbent === null) {
    finish(context, handover, 'failed', failure);
    return;
  }
  finish(context, handover, 'rolled_back', failure);
  if (candidate) stopGeneration(context, candidate);
}

/** A generation that has passed every gate serves; as a candidate it replaces the incumbent. */
export function promoteWhenReady(context: Context, generation: Generation): void {
  if (generation.stage.name !== 'starting' || !isReady(generation)) return;
  const { state } = context;
  const handover = handoverOf(state, generation.id);
  const previous = handover?.incumbent ?? null;
  generation.stage = { name: 'serving' };
  state.incumbent = generation.id;
  emit(context, { type: 'promoted', generation: generation.id });
  report(context, { event: 'generation_promoted', generation: generation.id, previous });
  const old = generationOf(state, previous);
  if (old) stopGeneration(context, old);
  if (handover) finish(context, handover, 'promoted', null);
}

/** A candidate that took too long has failed; a first generation is reported once and goes on. */
export function tickReadiness(context: Context, generation: Generation): void {
  const { stage } = generation;
  if (stage.name !== 'starting' || stage.deadline === null || context.state.now < stage.deadline) return;
  stage.deadline = null;
  const late = generation.workers.find(({ life }) => life.name !== 'up' || life.readyAt === null);
  const waiting = late?.life.name === 'up' ? late.life.waiting : [];
  const after = context.state.now - generation.since;
  const worker = late?.index ?? 0;
  report(context, { event: 'worker_not_ready', generation: generation.id, worker, waiting, after });
  const handover = handoverOf(context.state, generation.id);
  if (!handover) return;
  candidateFailed(context, handover, {
    step: 'readiness.timeout',
    reason: `worker ${worker} was not ready after ${Math.round(after)} ms: ${waiting.length > 0 ? `still waiting for ${waiting.join(', ')}` : 'it is not running'}`,
    generation: generation.id,
    worker,
  });
}

/** Ends the handover with a verdict. */
export function finish(
  context: Context,
  handover: Handover,
  outcome: Verdict['outcome'],
  failure: Failure | null,
): void {
  const { state } = context;
  const generation = handover.step.name === 'starting' ? handover.step.candidate : null;
  const duration = state.now - handover.request.since;
  const incumbent = state.incumbent;
  state.handover = null;
  report(context, {
    event: 'handover_finished',
    handover: handover.id,
    outcome,
    generation,
    incumbent,
    duration,
    failure,
  });
  const { tickets } = handover.request;
  if (tickets.length === 0) return;
  const told = { ...verdict(outcome, duration, failure), handover: handover.id, generation, incumbent };
  emit(context, { type: 'verdict', tickets, verdict: told });
}

/** Ends the handover and what waits behind it, because the supervisor stops. */
export function abortAll(context: Context, reason: string): void {
  const { state } = context;
  const failure = { step: 'stop', reason };
  const { handover, pending } = state;
  if (handover) {
    if (handover.step.name === 'resolving') emit(context, { type: 'discard', handover: handover.id });
    finish(context, handover, 'aborted', failure);
  }
  state.pending = null;
  if (pending && pending.tickets.length > 0) {
    const duration = state.now - pending.since;
    emit(context, {
      type: 'verdict',
      tickets: pending.tickets,
      verdict: verdict('aborted', duration, failure),
    });
  }
}

function verdict(outcome: Verdict['outcome'], duration: number, failure: Failure | null): Verdict {
  return { outcome, handover: null, generation: null, incumbent: null, duration, failure };
}
