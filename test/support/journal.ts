interface Waiter<T> {
  readonly test: (entry: T) => boolean;
  readonly resolve: (entry: T) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The entries so far, and promises for later ones. Existing entries count, so a late call misses nothing. A cursor
 * excludes earlier entries.
 */
export class Journal<T> {
  readonly entries: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  #closed: (() => Error) | null = null;

  /** The position behind the newest entry, for `waitFor`. */
  get cursor(): number {
    return this.entries.length;
  }

  push(entry: T): void {
    this.entries.push(entry);
    for (const waiter of [...this.#waiters]) {
      if (!waiter.test(entry)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(entry);
    }
  }

  /** The first entry at or after `from` that passes the test. Rejects when the journal is closed without one. */
  waitFor(test: (entry: T) => boolean, from = 0): Promise<T> {
    for (let index = from; index < this.entries.length; index += 1) {
      const entry = this.entries[index];
      if (entry !== undefined && test(entry)) return Promise.resolve(entry);
    }
    if (this.#closed !== null) return Promise.reject(this.#closed());
    return new Promise((resolve, reject) => this.#waiters.add({ test, resolve, reject }));
  }

  /** Ends the journal. Every waiting caller is rejected with the error of `reason`. */
  close(reason: () => Error): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const waiter of this.#waiters) waiter.reject(reason());
    this.#waiters.clear();
  }
}
