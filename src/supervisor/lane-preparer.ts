import type { Listeners } from '../listeners/listeners.ts';

/** Makes lanes ready while nothing else happens, one listener at a time: half a millisecond of a handover for each of them. */
export class LanePreparer {
  readonly #listeners: Pick<Listeners, 'prepareLanes'>;
  #work: Iterator<void> | null = null;
  #scheduled = false;

  constructor(listeners: Pick<Listeners, 'prepareLanes'>) {
    this.#listeners = listeners;
  }

  /** These from now on, and none of what is left of the last ones. */
  keep(lanes: readonly number[]): void {
    this.#work = lanes.length === 0 ? null : this.#listeners.prepareLanes(lanes);
    if (this.#work !== null && !this.#scheduled) this.#later();
  }

  #later(): void {
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#work === null || this.#isDone(this.#work)) this.#work = null;
      else this.#later();
    });
  }

  #isDone(work: Iterator<void>): boolean {
    try {
      return work.next().done === true;
    } catch {
      // A lane that cannot be had is tried again when it is given, and what fails then is told.
      return true;
    }
  }
}
