import { type Context, emit, report } from './context.ts';
import type { Failure } from './facts.ts';
import { hookAfter } from './hooks.ts';
import { candidateOf, generationOf, type Handover, type Hook, type Verdict } from './state.ts';

/** Ends the handover with a verdict, which is told when the hook after it has ended. */
export function finish(
  context: Context,
  handover: Handover,
  outcome: Verdict['outcome'],
  failure: Failure | null,
): void {
  const { state } = context;
  const generation = candidateOf(handover);
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
  const verdict = { ...verdictOf(outcome, duration, failure), handover: handover.id, generation, incumbent };
  const told = tickets.length === 0 ? null : { tickets, verdict };
  const waits = runsHook(context, handover, outcome, generation, told);
  if (told && !waits) emit(context, { type: 'verdict', ...told });
}

/** A candidate that was started has come to its end as one: it serves, or the incumbent goes on without it. */
function runsHook(
  context: Context,
  handover: Handover,
  outcome: Verdict['outcome'],
  id: number | null,
  told: Hook['verdict'],
): boolean {
  const candidate = generationOf(context.state, id);
  if (!candidate || outcome === 'failed') return false;
  const promoted = outcome === 'promoted';
  const serving = promoted ? candidate : generationOf(context.state, handover.incumbent);
  const name = promoted ? 'after_promote' : 'after_rollback';
  const ending = { name, handover: handover.id, generation: candidate, outcome } as const;
  return serving !== undefined && hookAfter(context, serving, ending, told);
}

/** The verdict of a request that never got as far as a generation. */
export function verdictOf(outcome: Verdict['outcome'], duration: number, failure: Failure | null): Verdict {
  return { outcome, handover: null, generation: null, incumbent: null, duration, failure };
}
