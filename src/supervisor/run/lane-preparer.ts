import { inSlices, type Turns } from '../../common/slices.ts';
import { isRefusal } from '../../listeners/listener-error.ts';
import type { Listeners } from '../../listeners/listeners.ts';

/**
 * Prepares lanes while zero is idle, in slices. This saves half a millisecond per listener in a handover. A handover
 * that begins meanwhile waits until the preparation is finished: otherwise the start of a worker would do the rest
 * without a pause.
 */
export class LanePreparer {
  readonly #listeners: Pick<Listeners, 'prepareLanes'>;
  readonly #turns: Turns;
  #lanes: readonly number[] = [];
  #work: { cancel(): void } | null = null;
  #isScheduled = false;
  #waiting: (() => void)[] = [];

  constructor(listeners: Pick<Listeners, 'prepareLanes'>, turns: Turns) {
    this.#listeners = listeners;
    this.#turns = turns;
  }

  /**
   * Prepares exactly these lanes from now on, and drops earlier requests. An empty list finishes the current
   * preparation.
   */
  keep(lanes: readonly number[]): void {
    this.#lanes = lanes;
    if (lanes.length === 0) return;
    this.#work?.cancel();
    this.#work = null;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#turns.defer(() => {
      this.#isScheduled = false;
      if (this.#lanes.length > 0) this.#prepare();
    });
  }

  /** Stops all work. */
  close(): void {
    this.#lanes = [];
    this.#waiting = [];
    this.#work?.cancel();
    this.#work = null;
  }

  /** Calls back when no preparation is in progress; at once if there is none. */
  whenFinished(call: () => void): void {
    if (this.#work === null) call();
    else this.#waiting.push(call);
  }

  #prepare(): void {
    let isOver = false;
    const work = inSlices(this.#listeners.prepareLanes(this.#lanes), this.#turns, (failure) => {
      isOver = true;
      this.#end();
      // A failed lane is tried again when a worker needs it. That attempt reports its failure.
      if (failure !== null && !isRefusal(failure.error)) throw failure.error;
    });
    if (!isOver) this.#work = work;
  }

  #end(): void {
    this.#work = null;
    for (const call of this.#waiting.splice(0)) call();
  }
}
