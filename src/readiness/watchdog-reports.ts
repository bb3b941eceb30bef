import type { NotifyMessage } from './notify-message.ts';

/** Watchdog messages of a worker (sd_notify(3)). Times are monotonic milliseconds. */
export class WatchdogReports {
  /** When it last sent WATCHDOG=1; null: never. */
  at: number | null = null;
  /** When it first sent WATCHDOG=trigger; null: never. */
  triggeredAt: number | null = null;
  /** The time that it set with WATCHDOG_USEC, in milliseconds; 0: no watchdog; null: not set. */
  time: number | null = null;

  note(message: NotifyMessage, now: number): void {
    if (message.kind === 'watchdog') this.at = now;
    else if (message.kind === 'watchdog_trigger') this.triggeredAt ??= now;
    else if (message.kind === 'watchdog_time') this.time = message.microseconds / 1_000;
  }

  /** When the watchdog expires; Infinity: never. `since`: when zero began to check it. `time`: that of the config. */
  expiry(since: number, time: number): number {
    return this.triggeredAt ?? Math.max(since, this.at ?? since) + this.timeOf(time);
  }

  /** The time within which the worker must send WATCHDOG=1, given the configured time. */
  timeOf(configured: number): number {
    return this.time === 0 ? Number.POSITIVE_INFINITY : (this.time ?? configured);
  }
}
