import { isSame } from './copy.ts';
import type { Effect } from './effects.ts';
import type { Fact, Failure } from './facts.ts';
import type { State } from './state.ts';

/** One step in progress: a draft of the next state, and the effects for the shell. */
export interface Context {
  readonly state: State;
  readonly effects: Effect[];
  /** How many processes the step may still start, apart from those that cannot wait. */
  starts: number;
}

/** Adds an effect. */
export function emit(context: Context, effect: Effect): void {
  context.effects.push(effect);
}

/** Adds an effect on a whole generation, or on everything, which several events of a step may ask for. */
export function emitOnce(context: Context, effect: Effect): void {
  if (!context.effects.some((other) => other.type === effect.type && isSame(other, effect)))
    emit(context, effect);
}

/** Reports a fact. */
export function report(context: Context, fact: Fact): void {
  context.effects.push({ type: 'report', fact });
}

/** Reports a step that failed, with its subject and errno. */
export function reportFailure(context: Context, { step, reason, subject, errno, stack }: Failure): void {
  const details = {
    ...(subject !== undefined && { subject }),
    ...(errno !== undefined && { errno }),
    ...(stack !== undefined && { stack }),
  };
  report(context, { event: 'error', step, message: reason, ...details });
}
