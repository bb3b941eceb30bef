import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import type { Failure } from './facts.ts';
import { dropHook, hookBefore } from './hooks.ts';
import { ensureLanes, lanesNeeded, takeLane } from './lanes.ts';
import { endHandover } from './rollout.ts';
import type { Settings } from './settings.ts';
import {
  type Generation,
  generationOf,
  type Handover,
  ownWorkers,
  type Request,
  type State,
  type Worker,
} from './state.ts';
import { finish, verdictOf } from './verdict.ts';
import { spawnWorker, stopGeneration } from './workers.ts';

/** A handover is wanted: it begins now, or becomes part of the one that follows the current one. */
export function onReload(context: Context, event: Of<'reload'>): void {
  const { state } = context;
  const { by, preview, timeout, rollback } = event;
  const tickets = event.ticket === null ? [] : [event.ticket];
  if (state.stop) {
    if (tickets.length > 0) {
      const failure = { step: 'stop', reason: 'the supervisor is stopping' };
      emit(context, { type: 'verdict', tickets, verdict: verdictOf('aborted', 0, failure) });
    }
    return;
  }
  const busy = state.handover !== null && !givesWay(state.handover);
  if (busy && rollback?.to === null) {
    refuseRollback(context, tickets);
    return;
  }
  const merged = busy && !event.replace;
  if (by !== 'start') report(context, { event: 'reload_requested', by, merged });
  const deadline = timeout === null ? null : state.now + timeout;
  const request: Request = { by, tickets, since: state.now, preview, deadline, rollback };
  if (state.handover && event.replace) {
    endHandover(context, 'superseded', { step: 'replace', reason: `replaced by a request of ${by}` });
  }
  // What is pending begins as soon as it can: in this very step where nothing is under way.
  state.pending = state.pending ? together(state.pending, request) : request;
}

/** "The release before" would be another one before and after the end of the handover in progress. */
function refuseRollback(context: Context, tickets: readonly string[]): void {
  const { handover } = context.state;
  const serving = handover?.incumbent ?? null;
  const instead = `"zero abort" goes back to generation ${serving} at once, --to names another`;
  const reason = `handover ${handover?.id} is in progress: ${instead}`;
  const verdict = verdictOf('failed', 0, { step: 'rollback', reason });
  const told = { ...verdict, incumbent: context.state.incumbent };
  if (tickets.length > 0) emit(context, { type: 'verdict', tickets, verdict: told });
}

/** A start that nothing serves beside is not waited for: it is given up for the next one, as soon as that is known to be possible. */
export function givesWay(handover: Handover): boolean {
  return handover.step.name === 'starting' && handover.incumbent === null;
}

function together(earlier: Request, later: Request): Request {
  const deadline =
    earlier.deadline === null || later.deadline === null ? null : Math.max(earlier.deadline, later.deadline);
  const tickets = [...earlier.tickets, ...later.tickets];
  // Who came last has said what is to serve.
  const { rollback } = later;
  return { ...earlier, tickets, preview: earlier.preview || later.preview, deadline, rollback };
}

/** Starts the handover that a request asks for. */
export function begin(context: Context, request: Request): void {
  const { state } = context;
  const id = state.nextHandover++;
  state.handover = { id, request, since: state.now, incumbent: state.incumbent, step: { name: 'resolving' } };
  report(context, { event: 'handover_started', handover: id, incumbent: state.incumbent });
  emit(context, { type: 'resolve', handover: id, rollback: request.rollback });
}

export function onResolved(context: Context, event: Of<'resolved'>): void {
  const { state } = context;
  const handover = state.handover;
  if (handover?.id !== event.handover || handover.step.name !== 'resolving') {
    emit(context, { type: 'discard', handover: event.handover });
    return;
  }
  if (handover.request.preview && !event.settings.handover.steered) {
    const reason = 'a preview needs a listener that can be steered, and this config has none';
    emit(context, { type: 'discard', handover: handover.id });
    finish(context, handover, 'failed', { step: 'preview', reason });
    return;
  }
  state.handshakeTime = Math.max(state.handshakeTime, event.settings.handover.handshake);
  handover.step = { name: 'waiting', settings: event.settings };
  if (!startWhenPossible(context)) {
    report(context, {
      event: 'handover_step',
      handover: handover.id,
      step: 'waiting',
      generation: null,
      percent: null,
      lasts: null,
    });
  }
}

/** The generations that an earlier handover has replaced and that are still finishing. */
export function retiringGenerations(state: State): Generation[] {
  return state.generations.filter(
    ({ stage }) =>
      (stage.name === 'retiring' && stage.served) || (stage.name === 'stopping' && stage.retired),
  );
}

/** The candidate is made, after its hook, unless too many older generations are still retiring. */
export function startWhenPossible(context: Context): boolean {
  const { state } = context;
  const { handover } = state;
  if (handover?.step.name !== 'waiting') return false;
  const { settings } = handover.step;
  if (retiringGenerations(state).length >= settings.handover.maxRetiring) return false;
  const hook = hookBefore(context, handover, settings);
  if (hook === null) {
    start(context, handover, settings);
    return true;
  }
  handover.step = { name: 'before_reload', settings, hook };
  report(context, {
    event: 'handover_step',
    handover: handover.id,
    step: 'before_reload',
    generation: null,
    percent: null,
    lasts: null,
  });
  return true;
}

/** The hook before it has ended: the candidate is made, or nothing was touched. */
export function onHookBefore(
  context: Context,
  ended: { readonly before: Handover; readonly failure: Failure | null } | null,
): void {
  const { before: handover, failure } = ended ?? {};
  if (handover?.step.name !== 'before_reload') return;
  if (failure) endHandover(context, 'failed', failure);
  else start(context, handover, handover.step.settings);
}

/** The candidate is started beside the incumbent, or in place of one that never became ready. */
function start(context: Context, handover: Handover, settings: Settings): void {
  const { state } = context;
  const incumbent = generationOf(state, state.incumbent);
  const keep = incumbent?.stage.name === 'serving';
  ensureLanes(state, lanesNeeded(settings.workers, settings.handover.maxRetiring));
  const candidate: Generation = {
    id: state.nextGeneration++,
    settings,
    since: state.now,
    workers: [],
    stage: { name: 'starting', deadline: state.now + settings.readinessTimeout },
    remains: [],
    usage: null,
  };
  state.generations.push(candidate);
  addWorkers(state, candidate, incumbent);
  handover.step = { name: 'starting', candidate: candidate.id };
  handover.incumbent = keep ? incumbent.id : null;
  emit(context, { type: 'adopt', handover: handover.id, generation: candidate.id });
  if (!keep) {
    // Nothing that ever served is lost, so nothing is worth waiting for: the new one is the service from now on.
    if (incumbent) stopGeneration(context, incumbent);
    state.incumbent = candidate.id;
  }
  const { path, directory, workers } = settings;
  report(context, { event: 'service_starting', generation: candidate.id, path, directory, workers });
  for (const worker of candidate.workers) spawnWorker(context, candidate, worker);
}

/** Lanes of its own where the kernel steers; else the sockets that the incumbent holds too. */
function addWorkers(state: State, candidate: Generation, incumbent: Generation | undefined): void {
  const { settings, workers } = candidate;
  const shared = incumbent ? ownWorkers(incumbent).map(({ lane }) => lane) : [];
  for (let index = 0; index < settings.workers; index++) {
    const lane = settings.handover.steered ? takeLane(state) : (shared[index % shared.length] ?? 0);
    workers.push(newWorker(index, lane));
  }
}

function newWorker(index: number, lane: number): Worker {
  return {
    index,
    lane,
    relief: false,
    incarnation: 0,
    attempts: 0,
    life: { name: 'ended', exit: null },
    leave: null,
  };
}

export function onResolveFailed(context: Context, event: Of<'resolve_failed'>): void {
  const handover = context.state.handover;
  if (handover?.id !== event.handover || handover.step.name !== 'resolving') return;
  finish(context, handover, 'failed', event.failure);
}

/** A request that has run out of its time is given up, the handover in progress with it if it is that one's. */
export function tickRequests(context: Context): void {
  const { state } = context;
  const over = (request: Request | undefined | null) =>
    request != null && request.deadline !== null && state.now >= request.deadline;
  const failure = { step: 'timeout', reason: 'the time given to it is over' };
  if (over(state.pending) && state.pending) {
    const { tickets, since } = state.pending;
    state.pending = null;
    emit(context, { type: 'verdict', tickets, verdict: verdictOf('timed_out', state.now - since, failure) });
  }
  if (over(state.handover?.request)) endHandover(context, 'timed_out', failure);
}

/** Ends the handover and what waits behind it, because the supervisor stops. */
export function abortAll(context: Context, reason: string): void {
  const { state } = context;
  const failure = { step: 'stop', reason };
  const { handover, pending } = state;
  if (handover) {
    const { step } = handover;
    if (!('candidate' in step)) emit(context, { type: 'discard', handover: handover.id });
    if (step.name === 'before_reload') dropHook(context, step.hook, reason);
    finish(context, handover, 'aborted', failure);
  }
  state.pending = null;
  if (pending && pending.tickets.length > 0) {
    const duration = state.now - pending.since;
    emit(context, {
      type: 'verdict',
      tickets: pending.tickets,
      verdict: verdictOf('aborted', duration, failure),
    });
  }
}
