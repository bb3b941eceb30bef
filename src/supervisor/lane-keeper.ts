import type { Listeners } from '../listeners/listeners.ts';
import type { Happening } from './engine.ts';

/**
 * Watches the queues of lanes that no process accepts from. By epoll: nothing is polled, and at rest nothing wakes up.
 */
export class LaneKeeper {
  readonly #listeners: Listeners;
  readonly #post: (happening: Happening) => void;
  readonly #watches = new Map<number, { close(): void }>();

  constructor(listeners: Listeners, post: (happening: Happening) => void) {
    this.#listeners = listeners;
    this.#post = post;
  }

  /** Exactly these lanes from now on. Throws the first failure, when every lane that can be watched is. */
  keep(lanes: readonly number[]): void {
    for (const [lane, watch] of this.#watches) {
      if (lanes.includes(lane)) continue;
      watch.close();
      this.#watches.delete(lane);
    }
    const failures: unknown[] = [];
    for (const lane of lanes) {
      try {
        if (!this.#watches.has(lane)) this.#watch(lane);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  #watch(lane: number): void {
    const watch = this.#listeners.watchLane(lane, () => this.#post({ type: 'lane_queued', lane }));
    try {
      if (this.#listeners.queued(lane) === 0) this.#post({ type: 'lane_empty', lane });
    } catch (error) {
      // Without a look at its queue the lane would never count as quiet.
      watch.close();
      throw error;
    }
    this.#watches.set(lane, watch);
  }
}
