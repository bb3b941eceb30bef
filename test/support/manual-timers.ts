import type { Timers } from '../../src/common/clock.ts';
import type { Turns } from '../../src/common/slices.ts';

/** Timers that the test runs. */
export class ManualTimers implements Timers {
  readonly #timers = new Map<number, { readonly ms: number; readonly run: () => void }>();
  #count = 0;
  #changed: (() => void)[] = [];

  readonly set = (ms: number, run: () => void): number => {
    this.#count += 1;
    this.#timers.set(this.#count, { ms, run });
    for (const wake of this.#changed.splice(0)) wake();
    return this.#count;
  };

  readonly clear = (handle: unknown): void => {
    if (typeof handle === 'number') this.#timers.delete(handle);
  };

  /** Durations of the pending timers, in the order of their creation. */
  pending(): readonly number[] {
    return [...this.#timers.values()].map(({ ms }) => ms);
  }

  /** Runs the oldest timer of this duration. Throws if there is none. */
  fire(ms: number): void {
    const found = this.#find(ms);
    if (found === null) throw new Error(`no timer of ${ms} ms`);
    found();
  }

  fireAll(): void {
    const due = [...this.#timers.values()];
    this.#timers.clear();
    for (const { run } of due) run();
  }

  /** Resolves with the oldest timer of this duration, once it exists. Call the result to run it. */
  async next(ms: number): Promise<() => void> {
    for (;;) {
      const found = this.#find(ms);
      if (found !== null) return found;
      await this.#change();
    }
  }

  /** Resolves when this total number of timers has been set. */
  async reached(count: number): Promise<void> {
    while (this.#count < count) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #find(ms: number): (() => void) | null {
    for (const [id, timer] of this.#timers)
      if (timer.ms === ms)
        return () => {
          if (this.#timers.delete(id)) timer.run();
        };
    return null;
  }
}

/** Turns of the event loop in which no time passes, so no work is split. */
export const oneSlice: Turns = { now: () => 0, defer: setImmediate };
