import type { Listeners } from '../../listeners/listeners.ts';
import type { Happening } from './engine.ts';

/**
 * Watches the queues of lanes that no process accepts from. Uses epoll instead of polling, so an idle zero does not
 * wake up.
 */
export class LaneWatcher {
  readonly #listeners: Listeners;
  readonly #post: (happening: Happening) => void;
  readonly #watches = new Map<number, { readonly isShared: boolean; close(): void }>();

  constructor(listeners: Listeners, post: (happening: Happening) => void) {
    this.#listeners = listeners;
    this.#post = post;
  }

  /**
   * Watches exactly these lanes from now on. Starts every watch that it can, then throws the first failure.
   * @param shared the lanes that belong to generations whose workers on other lanes accept connections
   */
  keep(lanes: readonly number[], shared: readonly number[]): void {
    for (const [lane, watch] of this.#watches) {
      if (lanes.includes(lane) && watch.isShared === shared.includes(lane)) continue;
      watch.close();
      this.#watches.delete(lane);
    }
    const failures: unknown[] = [];
    for (const lane of lanes) {
      try {
        if (!this.#watches.has(lane)) this.#watch(lane, shared.includes(lane));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  #watch(lane: number, isShared: boolean): void {
    const watch = this.#listeners.watchLane(lane, isShared, () => this.#post({ type: 'lane_queued', lane }));
    try {
      if (this.#listeners.unattended(lane, isShared) === 0) this.#post({ type: 'lane_empty', lane });
    } catch (error) {
      // An unread queue would never count as empty, so the lane must not stay watched.
      watch.close();
      throw error;
    }
    this.#watches.set(lane, { isShared, close: () => watch.close() });
  }
}
