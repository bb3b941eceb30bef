import type { Timers } from '../../src/readiness/index.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** A clock in milliseconds that moves when the world says so, and the timers that follow it. */
export class FakeTimers implements Timers {
  now = 0;
  readonly #timers = new Set<Timer>();

  set(ms: number, run: () => void): unknown {
    const timer = { at: this.now + ms, run };
    this.#timers.add(timer);
    return timer;
  }

  clear(handle: unknown): void {
    this.#timers.delete(handle as Timer);
  }

  /** When the next timer is due; Infinity without one. */
  get next(): number {
    return Math.min(...[...this.#timers].map(({ at }) => at));
  }

  /** Lets time go by, and runs what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.now + ms;
    while (this.next <= end) {
      this.now = this.next;
      const [due] = [...this.#timers].filter(({ at }) => at === this.now);
      if (due) this.#timers.delete(due);
      due?.run();
    }
    this.now = end;
  }
}
