/*
 * A verdict is the answer to the callers of a handover. It is final when they get it. So it waits for the hook after
 * the handover. After a promotion it also waits until the old generation has been asked to stop, because zero can roll
 * back until then.
 */
import { type Context, emit } from './context.ts';
import type { Failure, Outcome } from './facts.ts';
import type { Caller } from './requests.ts';
import { healthOf } from './service-state.ts';
import { generationOf, type State } from './state.ts';

/** The result of a handover for its callers. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly handover: number | null;
  readonly generation: number | null;
  readonly incumbent: number | null;
  /** The name of the requested release; null: it has none, or none is known. */
  readonly label: string | null;
  /**
   * No worker of the incumbent serves. `retryIn`: milliseconds until one is restarted, 0 if one is being started, null
   * if none will be.
   */
  readonly down: { readonly retryIn: number | null } | null;
  readonly duration: number;
  readonly failure: Failure | null;
  /** Why the hook after the handover failed. That undoes nothing. */
  readonly hook?: Failure;
}

/** A known verdict that its callers have not received. */
export interface OwedVerdict {
  callers: Caller[];
  verdict: Verdict;
  /** The hook that it waits for. */
  hook: number | null;
  /** The old generation that must be asked to stop first. */
  retiring: number | null;
}

/** The verdict of a request that never got a generation. */
export function verdictOf(outcome: Outcome, duration: number, failure: Failure | null): Verdict {
  const ids = { handover: null, generation: null, incumbent: null };
  return { outcome, ...ids, label: null, down: null, duration, failure };
}

/** Answers these callers now. A signal or a watch expects no answer. */
export function answerCallers(context: Context, callers: readonly Caller[], verdict: Verdict): void {
  const tickets = callers.flatMap(({ ticket }) => (ticket === null ? [] : [ticket]));
  if (tickets.length > 0)
    emit(context, { type: 'verdict', tickets, verdict: completed(context.state, verdict) });
}

/**
 * A handover, or the request for one, has ended permanently. Its callers are answered, and later questions for its
 * number get the same answer.
 */
export function conclude(
  context: Context,
  handover: number,
  callers: readonly Caller[],
  verdict: Verdict,
): void {
  const numbered = { ...verdict, handover };
  answerCallers(context, callers, numbered);
  emit(context, { type: 'concluded', verdict: completed(context.state, numbered) });
}

/** Delivers the verdicts that wait for nothing any more. */
export function deliverVerdicts(context: Context): void {
  const { state } = context;
  const isFinal = (owed: OwedVerdict) => owed.hook === null && isDecided(state, owed);
  for (const { callers, verdict } of state.owed.filter(isFinal)) {
    // Another handover may have ended meanwhile.
    const final = { ...verdict, incumbent: state.incumbent };
    if (verdict.handover === null) answerCallers(context, callers, final);
    else conclude(context, verdict.handover, callers, final);
  }
  state.owed = state.owed.filter((owed) => !isFinal(owed));
}

/** zero exits and waits for nothing any longer. */
export function deliverAllVerdicts(context: Context): void {
  for (const owed of context.state.owed) Object.assign(owed, { hook: null, retiring: null });
  deliverVerdicts(context);
}

/** Whether no generation is left that zero could roll back to, or from. */
export function isDecided(state: State, { retiring, verdict }: OwedVerdict): boolean {
  return wasAskedToStop(state, retiring) || wasAskedToStop(state, verdict.generation);
}

function wasAskedToStop(state: State, id: number | null): boolean {
  const stage = generationOf(state, id)?.stage;
  if (stage?.name === 'retiring') return stage.signalled;
  return stage === undefined || stage.name === 'stopping';
}

/** The hook that a verdict waited for has ended. */
export function noteHookEnd({ owed }: State, hook: number, failure: Failure | null): void {
  for (const one of owed) {
    if (one.hook !== hook) continue;
    one.hook = null;
    if (failure) one.verdict = { ...one.verdict, hook: failure };
  }
}

/** Corrects an undelivered verdict: the promoted generation has failed or was aborted since. */
export function amendVerdict(
  { owed }: State,
  generation: number,
  incumbent: number,
  outcome: 'rolled_back' | 'aborted',
  failure: Failure,
): void {
  for (const one of owed) {
    const { verdict } = one;
    if (verdict.generation !== generation || verdict.outcome !== 'promoted') continue;
    one.verdict = { ...verdict, outcome, incumbent, failure };
    one.retiring = null;
  }
}

/** Adds current data: a name may have been found since the handover ended. */
function completed(state: State, verdict: Verdict): Verdict {
  const label = verdict.label ?? generationOf(state, verdict.generation)?.label ?? null;
  return { ...verdict, label, down: verdict.incumbent === null ? null : outage(state) };
}

/** null where a worker of the incumbent, or a rescue worker in its place, serves. */
function outage(state: State): Verdict['down'] {
  const health = healthOf(state);
  if (health.serving > 0 || health.rescued || health.workers === 0) return null;
  const { nextStart } = health;
  return { retryIn: nextStart === null ? null : Math.max(0, nextStart - state.now) };
}
