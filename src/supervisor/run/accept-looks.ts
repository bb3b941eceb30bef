import type { Timers } from '../../common/clock.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Listeners, NamedForeignSocket } from '../../listeners/listeners.ts';

/** The pause before the next search, as a multiple of the time that the last search took. */
const REST = 3;

/** Finds the foreign sockets that listen on a steered address. Throws SystemError. */
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
 * One search for foreign sockets serves all workers that accepted their test connections in the meantime. The kernel
 * walks through every listening socket of the machine for each search. With one search per worker, the time would grow
 * with the square of the number of workers, because each worker has a lane of its own.
 */
export class AcceptLooks {
  readonly #context: AcceptLooksContext;
  #waiting: ((foreign: ForeignSockets) => void)[] = [];
  #isDue = false;
  #notBefore = 0;

  constructor(context: AcceptLooksContext) {
    this.#context = context;
  }

  /** Calls `decide` with the next search, never in the same turn of the event loop. */
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

/** Every call returns the first result or throws the first error. */
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
