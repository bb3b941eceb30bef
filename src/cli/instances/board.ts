import { setMaxListeners } from 'node:events';
import type { Clock } from '../waiting.ts';
import { type Overview, overviewOf } from './overview.ts';
import type { Instance } from './record.ts';

/** Milliseconds that a frame waits for the answers of all instances. */
const GRACE = 300;

/**
 * The last known state of all watched instances. A slow instance does not delay the others: a frame shows its previous
 * answer, and the late answer appears in the next frame.
 */
export class Board {
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** By control socket. */
  readonly #known = new Map<string, Overview>();
  readonly #asked = new Map<string, Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  /** @param changed called when an answer has arrived that no frame has waited for */
  constructor(signal: AbortSignal, clock: Clock, changed: () => void) {
    this.#signal = signal;
    this.#clock = clock;
    this.#changed = changed;
    // Each request adds a listener, and Node warns about more than 10.
    setMaxListeners(0, signal);
  }

  /**
   * Asks the instances that have answered the previous request, and waits briefly for the answers. Returns the
   * instances that have answered at least once; null if none has answered yet and some still may. Rejects with the
   * reason of the signal.
   */
  async look(instances: readonly Instance[]): Promise<Overview[] | null> {
    const sockets = new Set(instances.map(({ controlSocket }) => controlSocket));
    for (const socket of [...this.#known.keys()]) if (!sockets.has(socket)) this.#known.delete(socket);
    let isWaiting = true;
    for (const instance of instances) {
      const { controlSocket } = instance;
      if (this.#asked.has(controlSocket)) continue;
      const answer = this.#ask(instance).finally(() => {
        this.#asked.delete(controlSocket);
        if (!isWaiting) this.#changed();
      });
      this.#asked.set(controlSocket, answer);
    }
    const late = new Promise<void>((resolve) => this.#clock.after(GRACE, resolve));
    await Promise.race([Promise.all(this.#asked.values()), late]);
    isWaiting = false;
    this.#signal.throwIfAborted();
    if (this.#failure) throw this.#failure.error;
    return this.#known.size === 0 && this.#asked.size > 0 ? null : [...this.#known.values()];
  }

  async #ask(instance: Instance): Promise<void> {
    try {
      const overview = await overviewOf(instance, this.#signal);
      if (overview === null) this.#known.delete(instance.controlSocket);
      else this.#known.set(instance.controlSocket, overview);
    } catch (error) {
      if (!this.#signal.aborted) this.#failure = { error };
    }
  }
}
