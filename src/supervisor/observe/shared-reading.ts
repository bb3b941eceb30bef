/** The pause before the next reading, as a multiple of the time that the last reading took. */
const REST = 3;

/**
 * A slow reading, shared by all callers. Callers during the reading, or shortly after it, get the same result. Readings
 * therefore take at most a quarter of the main thread's time, however often callers ask.
 */
export class SharedReading<Value> {
  readonly #read: () => Promise<Value>;
  readonly #now: () => number;
  #last: Promise<Value> | null = null;
  #freshUntil = 0;

  /** @param now monotonic milliseconds */
  constructor(read: () => Promise<Value>, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  get(): Promise<Value> {
    if (this.#last !== null && this.#now() < this.#freshUntil) return this.#last;
    const start = this.#now();
    this.#freshUntil = Number.POSITIVE_INFINITY;
    this.#last = this.#read().finally(() => {
      const end = this.#now();
      this.#freshUntil = end + (end - start) * REST;
    });
    return this.#last;
  }
}
