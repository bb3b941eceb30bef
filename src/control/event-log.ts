import { factDocument } from '../facts/documents.ts';
import type { Fact } from '../lifecycle/facts.ts';

export interface EventLogLimits {
  /** Maximum number of stored events. */
  readonly count: number;
  /** Maximum size of all stored events, in characters. */
  readonly size: number;
}

export interface LoggedEvent {
  readonly number: number;
  /** The document as JSON in one line. */
  readonly text: string;
}

const LIMITS: EventLogLimits = { count: 1024, size: 256 * 1024 };

/**
 * The newest events, numbered from 1 in the order in which they happened. The oldest events are discarded when a limit
 * is reached.
 */
export class EventLog {
  /** Distinguishes the numbers of this supervisor from those of an earlier one. */
  readonly epoch: string;
  readonly #clock: () => number;
  readonly #limits: EventLogLimits;
  readonly #listeners = new Set<() => void>();
  #events: LoggedEvent[] = [];
  #size = 0;
  #newest = 0;

  /** @param clock epoch milliseconds; its first reading becomes the epoch */
  constructor(clock: () => number, limits: EventLogLimits = LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
    this.epoch = `${clock().toString(36)}-${process.pid.toString(36)}`;
  }

  /** The number of the newest event; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  report(fact: Fact): void {
    this.#newest += 1;
    const time = new Date(this.#clock()).toISOString();
    const text = JSON.stringify({ time, ...factDocument(fact) });
    this.#events.push({ number: this.#newest, text });
    this.#size += text.length;
    this.#forget();
    for (const tell of this.#listeners) tell();
  }

  /** The stored events after that number, the oldest first: at least one, and at most about `size` characters. */
  after(number: number, size: number): LoggedEvent[] {
    const first = this.#newest - this.#events.length + 1;
    const found: LoggedEvent[] = [];
    let left = size;
    for (let index = Math.max(0, number + 1 - first); index < this.#events.length && left > 0; index += 1) {
      const event = this.#events[index];
      if (event === undefined) break;
      found.push(event);
      left -= event.text.length;
    }
    return found;
  }

  /** Calls the listener after each event until the returned function is called. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #forget(): void {
    const { count, size } = this.#limits;
    let surplus = 0;
    while (
      this.#events.length - surplus > count ||
      (this.#size > size && this.#events.length - surplus > 1)
    ) {
      this.#size -= this.#events[surplus]?.text.length ?? 0;
      surplus += 1;
    }
    if (surplus > 0) this.#events.splice(0, surplus);
  }
}
