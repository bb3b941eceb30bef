import { errorText } from '../../common/errors.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { causeOf } from '../../listeners/listener-error.ts';
import type { Timers } from '../../readiness/index.ts';

type ErrorFact = Extract<Fact, { event: 'error' }>;

/**
 * The error boundary of the supervisor. An exception in a callback, an effect or a step becomes one `error` event with
 * its stack. An exception never ends the supervisor while a worker runs.
 */
export class Boundary {
  readonly #report: (fact: ErrorFact) => void;

  /** @param report must not throw */
  constructor(report: (fact: ErrorFact) => void) {
    this.#report = report;
  }

  /** Runs `work`. Returns undefined if `work` threw. */
  run<T>(step: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.caught(step, error);
      return undefined;
    }
  }

  /** Runs `work`. Returns false if `work` threw. */
  succeeds(step: string, work: () => void): boolean {
    return (
      this.run(step, () => {
        work();
        return true;
      }) === true
    );
  }

  /** Wraps a callback so that it never throws. */
  guard<A extends unknown[]>(step: string, callback: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      this.run(step, () => callback(...args));
    };
  }

  /** Reports an exception that the caller has caught. */
  caught(step: string, error: unknown): void {
    this.#report(errorFact(step, error));
  }
}

/** An exception as an event. A system failure has its errno; a defect has its stack, which shows the origin. */
export function errorFact(step: string, error: unknown): ErrorFact {
  const message = `${step}: ${errorText(error)}`;
  return { event: 'error', step, message, ...causeOf(error) };
}

/** Timers whose callbacks run inside the error boundary. */
export function guardedTimers(timers: Timers, boundary: Boundary): Timers {
  return {
    set: (ms, run) => timers.set(ms, boundary.guard('timer', run)),
    clear: (handle) => timers.clear(handle),
  };
}
