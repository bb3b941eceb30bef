import type { Timers } from '../../../src/common/clock.ts';

export interface ManualTimers extends Timers {
  /** Durations of the pending timers. */
  pending(): readonly number[];
  /** Runs the oldest timer of this duration. Throws if there is none. */
  fire(ms: number): void;
}

/** Timers that the test runs. */
export function manualTimers(): ManualTimers {
  const timers = new Map<number, { ms: number; run: () => void }>();
  let count = 0;
  return {
    set(ms, run) {
      count += 1;
      timers.set(count, { ms, run });
      return count;
    },
    clear(handle) {
      if (typeof handle === 'number') timers.delete(handle);
    },
    pending: () => [...timers.values()].map((timer) => timer.ms),
    fire(ms) {
      for (const [id, timer] of timers) {
        if (timer.ms !== ms) continue;
        timers.delete(id);
        timer.run();
        return;
      }
      throw new Error(`no timer of ${ms} ms`);
    },
  };
}
