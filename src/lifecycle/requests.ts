/*
 * Requests for a handover. One handover runs at a time, and at most one more request waits behind it. Every request has
 * callers, and each caller has its own deadline:
 *
 * - Only equal requests are merged: they get the same verdict. A different request replaces the waiting one, whose
 *   callers get the answer `superseded`.
 * - A label names the requested release. Two labels are two releases. A request without a label accepts any release,
 *   and is merged with a labelled one.
 * - A caller whose timeout expires gets `in_progress` if another caller still waits for the same request. Otherwise it
 *   gets `timed_out`, and the handover or the queued request ends. A signal and `watch` are callers without a deadline.
 *
 * A request gets the number of its handover at once, even while it waits. `zero wait` only watches: it neither keeps a
 * handover nor ends one. Its answer is the effect `concluded`, which every number gets exactly once.
 */

import { notReady } from './candidate.ts';
import { type Context, emit, report } from './context.ts';
import { isSame } from './copy.ts';
import type { Of, Rollback } from './events.ts';
import type { Failure } from './facts.ts';
import { endHandover, finish, type Handover } from './handover.ts';
import { candidateOf, generationOf, type State } from './state.ts';
import { answerCallers, conclude, isDecided, type Verdict, verdictOf } from './verdicts.ts';

/** What a request asks for. */
export interface Wants {
  readonly preview: boolean;
  /** null: the release of the config. */
  readonly rollback: Rollback | null;
  /** The name of the release; null: the request gives none. */
  readonly label: string | null;
}

/** A caller that waits for a verdict. */
export interface Caller {
  readonly by: string;
  /** Identifies the answer. Null for a signal or a watch, which expect none. */
  readonly ticket: string | null;
  /** Milliseconds that it waits, and until when. Null for a caller that waits without a limit. */
  readonly timeout: number | null;
  readonly deadline: number | null;
}

export interface Request {
  /** The number of its handover. */
  readonly id: number;
  wants: Wants;
  readonly since: number;
  callers: Caller[];
}

const NEVER = Number.POSITIVE_INFINITY;

/** A handover is requested. It begins now, or follows the current one. */
export function onReload(context: Context, event: Of<'reload'>): void {
  const { state } = context;
  const { by, ticket, preview, timeout, rollback, label } = event;
  const caller: Caller = { by, ticket, timeout, deadline: timeout === null ? null : state.now + timeout };
  const wants: Wants = { preview, rollback, label };
  const busy = state.handover !== null && !givesWay(state.handover);
  const refusal = refusalOf(state, event, busy);
  const { pending } = state;
  const common = refusal === null && pending ? merge(pending.wants, wants) : null;
  const merged = common === null ? null : pending;
  const id = merged?.id ?? state.nextHandover++;
  if (ticket !== null) emit(context, { type: 'accepted', ticket, handover: id });
  if (refusal !== null) {
    const { outcome, failure } = refusal;
    conclude(context, id, [caller], { ...verdictOf(outcome, 0, failure), incumbent: state.incumbent });
    return;
  }
  const waits = busy && !event.replace;
  if (by !== 'start') report(context, { event: 'reload_requested', by, merged: waits, handover: id });
  if (state.handover && event.replace) {
    const reason = `replaced by a request of ${by}`;
    endHandover(context, 'superseded', { step: 'replace', reason });
  }
  if (merged && common) {
    merged.wants = common;
    merged.callers.push(caller);
  } else enqueue(context, { id, wants, since: state.now, callers: [caller] });
}

/** Queues a request, which begins as soon as possible: in this step if nothing is in progress. */
function enqueue(context: Context, request: Request): void {
  const { state } = context;
  const { pending } = state;
  if (pending) {
    const reason = `replaced in the queue by a request of ${request.callers[0]?.by} for ${describe(request.wants)}`;
    const duration = state.now - pending.since;
    conclude(
      context,
      pending.id,
      pending.callers,
      verdictOf('superseded', duration, { step: 'queue', reason }),
    );
  }
  state.pending = request;
}

/** The numbers of the handovers without a verdict yet, oldest first. */
export function openHandovers({ handover, pending, owed }: State): number[] {
  const promised = owed.flatMap(({ verdict }) => (verdict.handover === null ? [] : [verdict.handover]));
  return [...promised, ...(handover ? [handover.id] : []), ...(pending ? [pending.id] : [])];
}

/** Merges two equal requests; null if they ask for different things. */
export function merge(one: Wants, other: Wants): Wants | null {
  const label = one.label ?? other.label;
  const isOneName = one.label === null || other.label === null || one.label === other.label;
  return isOneName && isSame({ ...one, label }, { ...other, label }) ? { ...one, label } : null;
}

function describe({ preview, rollback, label }: Wants): string {
  const named = label === null ? '' : ` of ${label}`;
  if (rollback === null) return `a reload${named}${preview ? ' with a preview' : ''}`;
  return rollback.to === null ? 'a rollback' : `a rollback to generation ${rollback.to}`;
}

/** "The release before" would mean different releases before and after the end of the handover in progress. */
function releaseBefore({ handover }: State): string {
  const serving = handover?.incumbent ?? null;
  return `handover ${handover?.id} is in progress (step ${handover?.step.name}). "zero abort" returns to generation ${serving} at once; --to specifies another generation.`;
}

/** Why a request is refused; null if it is accepted. */
function refusalOf(
  state: State,
  { rollback, replace }: Of<'reload'>,
  busy: boolean,
): { readonly outcome: 'aborted' | 'failed'; readonly failure: Failure } | null {
  if (state.stop)
    return { outcome: 'aborted', failure: { step: 'stop', reason: 'the supervisor is stopping' } };
  if (busy && rollback?.to === null && !replace)
    return { outcome: 'failed', failure: { step: 'rollback', reason: releaseBefore(state) } };
  return null;
}

/** Nothing waits for a start while no generation serves: the next request replaces it. */
export function givesWay(handover: Handover): boolean {
  return handover.step.name === 'starting' && handover.incumbent === null;
}

/** Takes the waiting request when the next handover can begin. */
export function nextRequest(context: Context): Request | null {
  const { state } = context;
  const { pending } = state;
  if (!pending) return null;
  if (state.handover && givesWay(state.handover)) finish(context, state.handover, 'superseded', null);
  if (state.handover) return null;
  state.pending = null;
  return pending;
}

/** Answers callers whose timeout has expired, and ends requests and handovers without callers. */
export function tickRequests(context: Context): void {
  expireInQueue(context);
  expireInHandover(context);
  expireOwed(context);
}

function expireInQueue(context: Context): void {
  const { state } = context;
  const { pending, handover } = state;
  if (!pending) return;
  const expired = pending.callers.filter(isOver(state));
  if (expired.length === 0) return;
  pending.callers = pending.callers.filter((caller) => !expired.includes(caller));
  if (pending.callers.length > 0) {
    const reason = `${expiry(expired)}. ${names(pending.callers)} still waits for the same request.`;
    answerInProgress(context, expired, { id: pending.id, since: pending.since }, reason);
    return;
  }
  state.pending = null;
  const ahead = handover && merge(handover.request.wants, pending.wants) ? handover : null;
  const others = ahead?.request.callers.filter((caller) => !isOver(state)(caller)) ?? [];
  if (ahead && others.length > 0) {
    const reason = `${expiry(expired)}. Handover ${ahead.id} is still in progress (step ${ahead.step.name}), because ${names(others)} waits for it. This request waited behind it and was withdrawn.`;
    answerInProgress(context, expired, { id: ahead.id, since: pending.since }, reason);
    withdraw(context, pending, [], `${expiry(expired)}. The request was withdrawn.`);
    return;
  }
  const where = handover ? ` while the request waited behind handover ${handover.id}` : '';
  // This request's callers still waited, so its own callers expired before.
  if (ahead)
    endHandover(context, 'timed_out', {
      step: 'timeout',
      reason: 'no caller waits for the handover any longer',
    });
  withdraw(context, pending, expired, `${expiry(expired)}${where}`);
}

/** Withdraws a queued request after its last caller's timeout. */
function withdraw(
  context: Context,
  { id, since }: Request,
  callers: readonly Caller[],
  reason: string,
): void {
  const { now, incumbent } = context.state;
  const verdict = verdictOf('timed_out', now - since, { step: 'timeout', reason });
  conclude(context, id, callers, { ...verdict, incumbent });
}

function expireInHandover(context: Context): void {
  const { state } = context;
  const { pending, handover } = state;
  if (!handover) return;
  const { request } = handover;
  const expired = request.callers.filter(isOver(state));
  if (expired.length === 0) return;
  const others = request.callers.filter((caller) => !expired.includes(caller));
  const behind = pending && merge(pending.wants, request.wants) ? pending.callers : [];
  const waiting = [...others, ...behind];
  if (waiting.length === 0) {
    endHandover(context, 'timed_out', timedOut(state, handover, expired));
    return;
  }
  request.callers = others;
  const reason = `${expiry(expired)}. The handover is still in progress (step ${handover.step.name}), because ${names(waiting)} waits for it.`;
  answerInProgress(context, expired, { id: handover.id, since: request.since }, reason);
}

/** Promoted, but the old generation has not been asked to stop: there is nothing left to end. */
function expireOwed(context: Context): void {
  const { state } = context;
  for (const owed of state.owed) {
    const expired = owed.callers.filter(isOver(state));
    if (expired.length === 0) continue;
    owed.callers = owed.callers.filter((caller) => !expired.includes(caller));
    const verdict: Verdict = { ...owed.verdict, incumbent: state.incumbent };
    const reason = `${expiry(expired)}. Generation ${verdict.generation} is promoted, but generation ${owed.retiring} has not been asked to stop yet.`;
    const failure: Failure = { step: 'timeout', reason };
    // A decided verdict waits only for the hook.
    const answer = isDecided(state, owed)
      ? verdict
      : { ...verdict, outcome: 'in_progress' as const, failure };
    answerCallers(context, expired, answer);
  }
}

/** The open gate and its worker, while the candidate is still being tested. */
function timedOut(state: State, handover: Handover, expired: readonly Caller[]): Failure {
  const { step } = handover;
  const reason = `${expiry(expired)} in step ${step.name}`;
  const candidate = generationOf(state, candidateOf(handover));
  if (step.name !== 'starting' || !candidate) return { step: 'timeout', reason };
  const open = candidate.workers.flatMap(({ index, life }) =>
    life.name === 'up' && life.waiting.length > 0
      ? [`worker ${index} waits for ${life.waiting.join(', ')}`]
      : [],
  );
  return {
    step: 'timeout',
    reason: open.length === 0 ? reason : `${reason}: ${open.join('; ')}`,
    ...notReady(candidate),
  };
}

/** These callers stop waiting. The handover with this number continues. */
function answerInProgress(
  context: Context,
  callers: readonly Caller[],
  { id, since }: Pick<Request, 'id' | 'since'>,
  reason: string,
): void {
  const { now, incumbent } = context.state;
  const verdict = verdictOf('in_progress', now - since, { step: 'timeout', reason });
  answerCallers(context, callers, { ...verdict, handover: id, incumbent });
}

/** `--timeout 1.5s expired`. */
function expiry(callers: readonly Caller[]): string {
  const timeouts = new Set(callers.map(({ timeout }) => `${(timeout ?? 0) / 1000}s`));
  return `--timeout ${[...timeouts].join(', ')} expired`;
}

const isOver =
  ({ now }: State) =>
  ({ deadline }: Caller): boolean =>
    deadline !== null && now >= deadline;

function names(callers: readonly Caller[]): string {
  return [...new Set(callers.map(({ by }) => by))].join(', ');
}

/** When the next caller's timeout expires; Infinity for never. */
export function requestsDeadline({ handover, pending, owed }: State): number {
  const callers = [handover?.request, pending, ...owed].flatMap((one) => one?.callers ?? []);
  return Math.min(NEVER, ...callers.map(({ deadline }) => deadline ?? NEVER));
}
