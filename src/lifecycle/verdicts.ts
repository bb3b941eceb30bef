/*
 * A verdict is what the callers of a handover are answered. It is final when they get it: it waits for the hook that
 * runs after the handover, and, of a promotion, until the old generation has been asked to stop, because zero can roll
 * back to it until then.
 */
import { type Context, emit } from './context.ts';
import type { Failure, Outcome } from './facts.ts';
import type { Caller } from './requests.ts';
import { healthOf } from './service-state.ts';
import { generationOf, type State } from './state.ts';

/** How a handover ended, as its callers are answered. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly handover: number | null;
  readonly generation: number | null;
  readonly incumbent: number | null;
  /** The name of the release that was asked for; null: it has none, or none is known. */
  readonly label: string | null;
  /**
   * No worker of the incumbent serves; `retryIn`: milliseconds until one is started again, 0 where one is being started,
   * null where none will be.
   */
  readonly down: { readonly retryIn: number | null } | null;
  readonly duration: number;
  readonly failure: Failure | null;
  /** Why the hook that ran after it failed, which undoes nothing. */
  readonly hook?: Failure;
}

/** A verdict that is known and that its callers have not received. */
export interface OwedVerdict {
  callers: Caller[];
  verdict: Verdict;
  /** The hook that it waits for. */
  hook: number | null;
  /** The old generation that has to be asked to stop first. */
  retiring: number | null;
}

/** The verdict of a request that never got as far as a generation. */
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
 * A handover, or the request for one, has ended for good. Its callers are answered, and later questions for its number
 * get the same answer.
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

/** Answers what nothing holds back any longer. */
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

/** zero exits: nothing is waited for any longer. */
export function deliverAllVerdicts(context: Context): void {
  for (const owed of context.state.owed) Object.assign(owed, { hook: null, retiring: null });
  deliverVerdicts(context);
}

/** No generation is left that zero could roll back to, or from. */
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

/** A verdict that no caller has received is no longer true: the generation that was promoted has failed since. */
export function amendVerdict({ owed }: State, generation: number, incumbent: number, failure: Failure): void {
  for (const one of owed) {
    const { verdict } = one;
    if (verdict.generation !== generation || verdict.outcome !== 'promoted') continue;
    one.verdict = { ...verdict, outcome: 'rolled_back', incumbent, failure };
    one.retiring = null;
  }
}

/** What is known now: a name may have been found since the handover ended. */
function completed(state: State, verdict: Verdict): Verdict {
  const label = verdict.label ?? generationOf(state, verdict.generation)?.label ?? null;
  return { ...verdict, label, down: verdict.incumbent === null ? null : outage(state) };
}

/** null where a worker of the incumbent serves. */
function outage(state: State): Verdict['down'] {
  const health = healthOf(state);
  if (health.serving > 0 || health.workers === 0) return null;
  const { nextStart } = health;
  return { retryIn: nextStart === null ? null : Math.max(0, nextStart - state.now) };
}
