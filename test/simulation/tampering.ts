import { copy } from '../../src/lifecycle/copy.ts';
import type { AnsweredEffect, Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import type { Failure } from '../../src/lifecycle/facts.ts';
import type { State } from '../../src/lifecycle/state.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import { step } from '../../src/lifecycle/step.ts';
import { Boundary } from '../../src/supervisor/run/boundary.ts';
import type { CurrentExecutable } from '../../src/supervisor/run/current-executable.ts';
import { PreparedReleases } from '../../src/supervisor/run/prepared-releases.ts';
import type { Core } from './world.ts';

/**
 * The real step on a modified state. It is not modified for the event of a performed effect: nothing follows from most
 * of them, not even a deadline.
 */
export const before =
  (tamper: (state: State, event: Event) => void): Core =>
  (state, event) => {
    if (event.type === 'done') return step(state, event);
    const altered = copy(state);
    tamper(altered, event);
    return step(altered, event);
  };

/** The real step with modified effects. */
export const after =
  (tamper: (effects: Effect[], state: State, event: Event, was: State) => Effect[]): Core =>
  (state, event) => {
    const result = step(state, event);
    return { ...result, effects: tamper(result.effects, result.state, event, state) };
  };

export const finishedAs = (effects: readonly Effect[], outcome: string) =>
  effects.some(
    (effect) =>
      effect.type === 'report' &&
      effect.fact.event === 'handover_finished' &&
      effect.fact.outcome === outcome,
  );

export const resteer = (effects: Effect[], change: (steering: Steering) => Steering): Effect[] =>
  effects.map((effect) =>
    effect.type === 'steer' ? { ...effect, steering: change(effect.steering) } : effect,
  );

/** The real step on a modified event. */
export const instead =
  (tamper: (event: Event, state: State) => Event): Core =>
  (state, event) =>
    step(state, tamper(event, state));

/** The real step with a modified next state. */
export const forgetting =
  (tamper: (state: State, event: Event) => void): Core =>
  (state, event) => {
    const result = step(state, event);
    if (event.type === 'failed') tamper(result.state, event);
    return result;
  };

/** Treats a failed effect as performed. */
export const believing = (isMeant: (effect: AnsweredEffect, failure: Failure) => boolean): Core =>
  instead((event) =>
    event.type === 'failed' && isMeant(event.effect, event.failure)
      ? { type: 'done', effect: event.effect, at: event.at }
      : event,
  );

/** Replaces the deadlines of the callers of every request by those chosen from them. */
export const withDeadlines = (choose: (deadlines: number[]) => number): Core =>
  before(({ handover, pending }) => {
    for (const request of [handover?.request, pending]) {
      if (!request) continue;
      const deadline = choose(request.callers.map((caller) => caller.deadline ?? Number.POSITIVE_INFINITY));
      const chosen = deadline === Number.POSITIVE_INFINITY ? null : deadline;
      request.callers = request.callers.map((caller) => ({ ...caller, deadline: chosen }));
    }
  });

/** Does not catch exceptions. */
export class Leaky extends Boundary {
  override run<T>(_step: string, work: () => T): T | undefined {
    return work();
  }
}

/** Reports no exception. */
export class Silent extends Boundary {
  override caught(): void {}
}

/** Compares no files. */
export class Careless extends PreparedReleases {
  override executableOf(generation: number): CurrentExecutable {
    const executable = this.ofGeneration(generation)?.release.executable ?? '';
    return { answer: 'same', executable };
  }
}
