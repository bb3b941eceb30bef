import { inSlices, type Turns } from '../linux/slices.ts';
import { isRefusal } from '../listeners/listener-error.ts';
import type { Listeners } from '../listeners/listeners.ts';

/** Makes lanes ready while nothing else happens, in slices: half a millisecond of a handover for each listener. */
export class LanePreparer {
  readonly #listeners: Pick<Listeners, 'prepareLanes'>;
  readonly #turns: Turns;
  #lanes: readonly number[] = [];
  #work: { cancel(): void } | null = null;
  #isScheduled = false;

  constructor(listeners: Pick<Listeners, 'prepareLanes'>, turns: Turns) {
    this.#listeners = listeners;
    this.#turns = turns;
  }

  /** These from now on, and none of what is left of the last ones. */
  keep(lanes: readonly number[]): void {
    this.#work?.cancel();
    this.#work = null;
    this.#lanes = lanes;
    if (lanes.length === 0 || this.#isScheduled) return;
    this.#isScheduled = true;
    this.#turns.defer(() => {
      this.#isScheduled = false;
      if (this.#lanes.length > 0) this.#prepare();
    });
  }

  #prepare(): void {
    this.#work = inSlices(this.#listeners.prepareLanes(this.#lanes), this.#turns, (failure) => {
      this.#work = null;
      // A lane that cannot be had is tried again when it is given, and what fails then is told.
      if (failure !== null && !isRefusal(failure.error)) throw failure.error;
    });
  }
}
