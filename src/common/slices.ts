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

/** The turns of the event loop, as an argument: a simulation has its own. */
export interface Turns {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Runs a function after the current turn. */
  readonly defer: (run: () => void) => void;
}

/** The turns of Node's event loop. */
export const eventLoop: Turns = { now: () => performance.now(), defer: setImmediate };

/**
 * Performs steps in their order, each of well under a millisecond. The first ones are performed before this returns. When
 * 2 ms are over, the others follow after the current turn of the event loop, and so on. `ended` is called once, with the
 * exception of a step if there is one; no step follows after that. `cancel` ends the steps without that call.
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

/** Does every step at once. */
export function runAll(steps: Iterable<void>): void {
  for (const _ of steps);
}
