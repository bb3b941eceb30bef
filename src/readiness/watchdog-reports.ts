import type { NotifyMessage } from './notify-message.ts';

/** What a worker has reported about its watchdog (sd_notify(3)). Times are monotonic milliseconds. */
export class WatchdogReports {
  /** When it last sent WATCHDOG=1; null: never. */
  at: number | null = null;
  /** When it first sent WATCHDOG=trigger; null: never. */
  triggeredAt: number | null = null;
  /** What it has set with WATCHDOG_USEC, in milliseconds; 0: no watchdog; null: it has set nothing. */
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

  /** Within which the worker sends WATCHDOG=1, where the config has this time. */
  timeOf(configured: number): number {
    return this.time === 0 ? Number.POSITIVE_INFINITY : (this.time ?? configured);
  }
}
