import { setMaxListeners } from 'node:events';
import type { Clock } from '../waiting.ts';
import { type Overview, overviewOf } from './overview.ts';
import type { Instance } from './record.ts';

/** Milliseconds that a frame waits for the answers of all instances. */
const GRACE = 300;

/**
 * What is known of all instances while they are watched. An instance that answers late holds up none of the others: a
 * frame shows what it has answered last, and the late answer is in the next one.
 */
export class Board {
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** By control socket. */
  readonly #known = new Map<string, Overview>();
  readonly #asked = new Map<string, Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  /** @param changed called when an answer has come that no frame has waited for */
  constructor(signal: AbortSignal, clock: Clock, changed: () => void) {
    this.#signal = signal;
    this.#clock = clock;
    this.#changed = changed;
    // Each request adds a listener, and Node warns about more than 10.
    setMaxListeners(0, signal);
  }

  /**
   * Asks those instances that have answered the last question, and waits a moment for the answers. Returns those that
   * have answered ever; null as long as none has and some have not answered yet. Rejects with the reason of the signal.
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
