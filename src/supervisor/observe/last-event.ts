import type { StatusDocument } from '../../control/status-document.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { type Level, levelOf } from '../../telemetry/level.ts';
import { messageOf } from '../../telemetry/message.ts';

/** Remembers the newest event for the status. Events of the level `debug` do not count. */
export class LastEvent {
  readonly #now: () => number;
  #last: { readonly fact: Fact; readonly level: Level; readonly at: number } | null = null;

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  report(fact: Fact): void {
    const level = levelOf(fact);
    if (level !== 'debug') this.#last = { fact, level, at: this.#now() };
  }

  /** The event; null before the first one. */
  document(): NonNullable<StatusDocument['last_event']> | null {
    if (this.#last === null) return null;
    const { fact, level, at } = this.#last;
    return { event: fact.event, level, message: messageOf(fact), ms_ago: Math.round(this.#now() - at) };
  }
}
