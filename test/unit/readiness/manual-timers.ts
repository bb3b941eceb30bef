import type { Timers } from '../../../src/common/clock.ts';
import type { Turns } from '../../../src/common/slices.ts';

/** Timers that the test runs. */
export interface ManualTimers extends Timers {
  /** Durations of the pending timers, in the order of their creation. */
  readonly set: Timers['set'];
  pending(): readonly number[];
  /** Resolves with the next timer of this duration, once it exists. */
  next(ms: number): Promise<() => void>;
}

export function manualTimers(): ManualTimers {
  const timers = new Map<number, { ms: number; run: () => void }>();
  const waiting: { ms: number; found: (fire: () => void) => void }[] = [];
  let count = 0;
  const fire = (id: number) => () => {
    const timer = timers.get(id);
    timers.delete(id);
    timer?.run();
  };
  return {
    set(ms, run) {
      count += 1;
      timers.set(count, { ms, run });
      const index = waiting.findIndex((waiter) => waiter.ms === ms);
      if (index >= 0) waiting.splice(index, 1)[0]?.found(fire(count));
      return count;
    },
    clear(handle) {
      if (typeof handle === 'number') timers.delete(handle);
    },
    pending: () => [...timers.values()].map((timer) => timer.ms),
    next(ms) {
      for (const [id, timer] of timers) if (timer.ms === ms) return Promise.resolve(fire(id));
      return new Promise((found) => waiting.push({ ms, found }));
    },
  };
}

/** Turns of the event loop in which no time passes, so no work is split. */
export const oneSlice: Turns = { now: () => 0, defer: setImmediate };

/** Callbacks that can be awaited. */
export function verdictOf(): {
  callbacks: { passed(): void; failed(reason: string): void };
  verdict: Promise<string>;
  calls: string[];
} {
  const calls: string[] = [];
  let tell: (verdict: string) => void = () => {};
  const verdict = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const note = (call: string) => {
    calls.push(call);
    tell(call);
  };
  return {
    callbacks: { passed: () => note('passed'), failed: (reason) => note(`failed: ${reason}`) },
    verdict,
    calls,
  };
}
