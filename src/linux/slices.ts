// The promise is at most 5 ms of the main thread in one piece. One more step follows after the look at the clock, and the machine may be busy.
const BUDGET = 2;

/** Cuts long work on the main thread into pieces, so that events come first in between. */
export class Slices {
  readonly #now: () => number;
  #start: number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#start = now();
  }

  /** True when it is time to let others go first: `await next()`. */
  isOver(): boolean {
    return this.#now() - this.#start >= BUDGET;
  }

  /** The same for steps of a microsecond, of which the clock is looked at for one in 256. */
  isOverAt(step: number): boolean {
    return step % 256 === 255 && this.isOver();
  }

  /** Resolves behind the events that wait now. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#start = this.#now();
  }
}
