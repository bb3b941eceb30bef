import type { Timers } from '../../common/clock.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Listeners, NamedForeignSocket } from '../../listeners/listeners.ts';

/** The next look is made at the earliest after this many times as long as the last one took. */
const REST = 3;

/** The foreign sockets that listen on a steered address. Throws SystemError. */
export type ForeignSockets = () => readonly NamedForeignSocket[];

export interface AcceptLooksContext {
  readonly kernel: Pick<Kernel, 'defer'>;
  readonly listeners: Pick<Listeners, 'foreignSockets'>;
  readonly timers: Timers;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** See Engine.batch. */
  readonly batch: (run: () => void) => void;
}

/**
 * One look for foreign sockets for all workers that have accepted their test connections meanwhile. The kernel walks
 * through every listening socket of the machine for each look. One look per worker would take time that grows with the
 * square of the number of workers, because each worker has a lane of its own.
 */
export class AcceptLooks {
  readonly #context: AcceptLooksContext;
  #waiting: ((foreign: ForeignSockets) => void)[] = [];
  #isDue = false;
  #notBefore = 0;

  constructor(context: AcceptLooksContext) {
    this.#context = context;
  }

  /** Calls back with the next look, never in the same turn of the event loop. */
  add(decide: (foreign: ForeignSockets) => void): void {
    this.#waiting.push(decide);
    if (this.#isDue) return;
    this.#isDue = true;
    const { kernel, timers, now } = this.#context;
    const wait = this.#notBefore - now();
    if (wait > 0) timers.set(Math.ceil(wait), () => this.#look());
    else kernel.defer(() => this.#look());
  }

  #look(): void {
    const { listeners, now, batch } = this.#context;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#isDue = false;
    const begin = now();
    const foreign = once(() => listeners.foreignSockets());
    batch(() => {
      for (const decide of waiting) decide(foreign);
    });
    const end = now();
    this.#notBefore = end + (end - begin) * REST;
  }
}

/** The first result, or the first error, for every call. */
function once<T>(run: () => T): () => T {
  let again: (() => T) | null = null;
  return () => {
    if (again !== null) return again();
    try {
      const result = run();
      again = () => result;
    } catch (error) {
      again = () => {
        throw error;
      };
    }
    return again();
  };
}
