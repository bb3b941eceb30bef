import { inSlices, type Turns } from '../../common/slices.ts';
import { isRefusal } from '../../listeners/listener-error.ts';
import type { Listeners } from '../../listeners/listeners.ts';

/**
 * Makes lanes ready while nothing else happens, in slices: half a millisecond of a handover for each listener. A handover
 * that begins meanwhile waits until it is finished: otherwise the start of a worker would do the rest in one piece.
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

  /** These from now on, and none of what is left of others. Without lanes, what has begun is finished. */
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

  /** Nothing is done any more. */
  close(): void {
    this.#lanes = [];
    this.#waiting = [];
    this.#work?.cancel();
    this.#work = null;
  }

  /** Calls back when nothing is being made ready; at once where nothing is. */
  whenFinished(call: () => void): void {
    if (this.#work === null) call();
    else this.#waiting.push(call);
  }

  #prepare(): void {
    let isOver = false;
    const work = inSlices(this.#listeners.prepareLanes(this.#lanes), this.#turns, (failure) => {
      isOver = true;
      this.#end();
      // A lane that cannot be had is tried again when it is given, and what fails then is told.
      if (failure !== null && !isRefusal(failure.error)) throw failure.error;
    });
    if (!isOver) this.#work = work;
  }

  #end(): void {
    this.#work = null;
    for (const call of this.#waiting.splice(0)) call();
  }
}
