/** Minimum milliseconds between two log lines about the same client. */
const PAUSE = 3_600_000;
/** Further clients in one pause share a log line. */
const MAX_CLIENTS = 8;

interface Refused {
  readonly since: number;
  /** Refusals since the last log line. */
  readonly more: number;
}

/**
 * Reports refused clients without filling the log: one line for the first refusal, then at most one per hour with the
 * number of further refusals. After eight clients in an hour, one line stands for all further ones.
 */
export class Refusals {
  readonly #warn: (message: string) => void;
  readonly #now: () => number;
  readonly #clients = new Map<string, Refused>();

  /** @param now monotonic milliseconds */
  constructor(warn: (message: string) => void, now: () => number = () => performance.now()) {
    this.#warn = warn;
    this.#now = now;
  }

  /** @param message names the client; a sentence without a period */
  report(client: string, message: string): void {
    const known = this.#clients.get(client);
    if (known === undefined && this.#isFull()) this.#count('', 'further clients were refused');
    else this.#count(client, message);
  }

  #count(client: string, message: string): void {
    const now = this.#now();
    const { since, more } = this.#clients.get(client) ?? { since: Number.NEGATIVE_INFINITY, more: 0 };
    if (now - since < PAUSE) {
      this.#clients.set(client, { since, more: more + 1 });
      return;
    }
    this.#clients.set(client, { since: now, more: 0 });
    this.#warn(more === 0 ? message : `${message} (${more} more times since the last report)`);
  }

  #isFull(): boolean {
    const now = this.#now();
    for (const [client, { since }] of this.#clients)
      if (client !== '' && now - since >= PAUSE) this.#clients.delete(client);
    return this.#clients.size - (this.#clients.has('') ? 1 : 0) >= MAX_CLIENTS;
  }
}
