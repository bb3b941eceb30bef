import type { Listeners } from '../listeners/listeners.ts';
import type { Happening } from './engine.ts';

/** Watches the queues of lanes that nobody accepts from. By epoll: nothing is polled, and at rest nothing wakes up. */
export class LaneKeeper {
  readonly #listeners: Listeners;
  readonly #post: (happening: Happening) => void;
  readonly #failed: (error: unknown) => void;
  readonly #watches = new Map<number, { close(): void }>();

  constructor(listeners: Listeners, post: (happening: Happening) => void, failed: (error: unknown) => void) {
    this.#listeners = listeners;
    this.#post = post;
    this.#failed = failed;
  }

  /** Exactly these lanes from now on. */
  keep(lanes: readonly number[]): void {
    for (const [lane, watch] of this.#watches) {
      if (lanes.includes(lane)) continue;
      watch.close();
      this.#watches.delete(lane);
    }
    for (const lane of lanes) {
      if (this.#watches.has(lane)) continue;
      const queued = () => this.#post({ type: 'lane_queued', lane });
      try {
        this.#watches.set(lane, this.#listeners.watchLane(lane, queued));
        if (this.#listeners.queued(lane) === 0) this.#post({ type: 'lane_empty', lane });
      } catch (error) {
        // epoll_ctl(2): ENOMEM, ENOSPC. The next change of the lanes tries again.
        this.#failed(error);
      }
    }
  }
}
