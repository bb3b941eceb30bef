import { type Context, emit, report } from './context.ts';
import type { Failure } from './facts.ts';
import { candidateOf, type Handover, type Verdict } from './state.ts';

/** Ends the handover with a verdict. */
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
  if (tickets.length === 0) return;
  const told = { ...verdictOf(outcome, duration, failure), handover: handover.id, generation, incumbent };
  emit(context, { type: 'verdict', tickets, verdict: told });
}

/** The verdict of a request that never got as far as a generation. */
export function verdictOf(outcome: Verdict['outcome'], duration: number, failure: Failure | null): Verdict {
  return { outcome, handover: null, generation: null, incumbent: null, duration, failure };
}
