import type { Timers } from '../../src/readiness/index.ts';

interface Timer {
  readonly at: number;
  /** Timers of the same time run in the order of their creation. */
  readonly order: number;
  run: (() => void) | null;
}

const isBefore = (one: Timer, other: Timer): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

/** A clock in whole milliseconds that the world moves, and its timers in a binary heap. */
export class FakeTimers implements Timers {
  now = 0;
  readonly #heap: Timer[] = [];
  #order = 0;

  set(ms: number, run: () => void): unknown {
    const timer: Timer = { at: this.now + Math.ceil(ms), order: this.#order++, run };
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    return timer;
  }

  /** The timer stays in the heap, and does nothing when it is due. */
  clear(handle: unknown): void {
    (handle as Timer).run = null;
  }

  /** The time of the next timer; Infinity without one. */
  get next(): number {
    while (this.#heap[0]?.run === null) this.#take();
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Moves the clock to the next timer and runs it. The clock never moves back. */
  runNext(): void {
    this.now = Math.max(this.now, this.next);
    const timer = this.#take();
    const run = timer?.run;
    if (timer) timer.run = null;
    run?.();
  }

  /** Moves the clock, and runs the timers that are due on the way, in order. */
  advance(ms: number): void {
    const end = this.now + ms;
    while (this.next <= end) this.runNext();
    this.now = end;
  }

  #take(): Timer | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (last && last !== first) {
      this.#heap[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(index: number): void {
    const heap = this.#heap;
    const timer = heap[index];
    for (let at = index; timer && at > 0; ) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(timer, above)) return;
      heap[parent] = timer;
      heap[at] = above;
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    const timer = heap[0];
    for (let at = 0; timer; ) {
      const left = 2 * at + 1;
      const [one, other] = [heap[left], heap[left + 1]];
      if (!one) return;
      const least = other && isBefore(other, one) ? left + 1 : left;
      const below = heap[least];
      if (!below || !isBefore(below, timer)) return;
      heap[at] = below;
      heap[least] = timer;
      at = least;
    }
  }
}
