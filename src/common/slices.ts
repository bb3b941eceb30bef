// The limit is 5 ms of the main thread in one piece. One more step follows after the check of the clock, and the
// machine may be busy.
const BUDGET = 2;

/** Divides long work on the main thread into slices, so that events are handled in between. */
export class Slices {
  readonly #now: () => number;
  #start: number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#start = now();
  }

  /** Whether to yield to other work: `await next()`. */
  isOver(): boolean {
    return this.#now() - this.#start >= BUDGET;
  }

  /** The same for steps of a microsecond: reads the clock only at every 256th step. */
  isOverAt(step: number): boolean {
    return step % 256 === 255 && this.isOver();
  }

  /** Resolves after the events that wait now. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#start = this.#now();
  }
}

/** The turns of the event loop, as an argument, because a simulation has its own. */
export interface Turns {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Runs a function after the current turn. */
  readonly defer: (run: () => void) => void;
}

/** The turns of Node's event loop. */
export const eventLoop: Turns = { now: () => performance.now(), defer: setImmediate };

/**
 * Performs steps in order, each of well under a millisecond. The first ones are performed before this returns. After 2
 * ms, the others follow after the current turn of the event loop, and so on. `ended` is called once, with the exception
 * of a step if there is one; no step follows after that. `cancel` ends the steps without that call.
 */
export function inSlices(
  steps: Iterator<unknown>,
  { now, defer }: Turns,
  ended: (failure: { readonly error: unknown } | null) => void,
): { cancel(): void } {
  let isOver = false;
  const run = (): void => {
    const slice = new Slices(now);
    let failure: { readonly error: unknown } | null = null;
    try {
      while (!isOver && steps.next().done !== true) {
        if (!slice.isOver()) continue;
        defer(run);
        return;
      }
    } catch (error) {
      failure = { error };
    }
    if (isOver) return;
    isOver = true;
    ended(failure);
  };
  run();
  return {
    cancel() {
      isOver = true;
    },
  };
}

/** Performs every step at once. */
export function runAll(steps: Iterable<void>): void {
  for (const _ of steps);
}

/** Closes each of these as one step of sliced work. */
export function* closeEach(some: readonly { close(): void }[]): Generator<void, void, void> {
  for (const one of some) {
    one.close();
    yield;
  }
}
