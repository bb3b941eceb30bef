import type { Effect } from './effects.ts';
import type { Fact } from './facts.ts';
import type { State } from './state.ts';

/** One step under way: a draft of the next state, and what the shell is to do. */
export interface Context {
  readonly state: State;
  readonly effects: Effect[];
}

/** Adds an effect. */
export function emit(context: Context, effect: Effect): void {
  context.effects.push(effect);
}

/** Says something to the outside. */
export function report(context: Context, fact: Fact): void {
  context.effects.push({ type: 'report', fact });
}
