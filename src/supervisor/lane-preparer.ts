import { isRefusal } from '../listeners/listener-error.ts';
import type { Listeners } from '../listeners/listeners.ts';

/** Makes lanes ready while nothing else happens, one listener at a time: half a millisecond of a handover for each of them. */
export class LanePreparer {
  readonly #listeners: Pick<Listeners, 'prepareLanes'>;
  readonly #defer: (run: () => void) => void;
  #work: Iterator<void> | null = null;
  #scheduled = false;

  /** @param defer runs a function after the current turn of the event loop */
  constructor(listeners: Pick<Listeners, 'prepareLanes'>, defer: (run: () => void) => void) {
    this.#listeners = listeners;
    this.#defer = defer;
  }

  /** These from now on, and none of what is left of the last ones. */
  keep(lanes: readonly number[]): void {
    this.#work = lanes.length === 0 ? null : this.#listeners.prepareLanes(lanes);
    if (this.#work !== null && !this.#scheduled) this.#later();
  }

  #later(): void {
    this.#scheduled = true;
    this.#defer(() => {
      this.#scheduled = false;
      if (this.#work === null || this.#isDone(this.#work)) this.#work = null;
      else this.#later();
    });
  }

  #isDone(work: Iterator<void>): boolean {
    try {
      return work.next().done === true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // A lane that cannot be had is tried again when it is given, and what fails then is told.
      return true;
    }
  }
}
