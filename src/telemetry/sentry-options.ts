import type { Timers } from '../common/clock.ts';

export interface SentryOptions {
  /** A secret: its key must not get into a log. */
  readonly dsn: string;
  readonly release: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Values that must not leave the machine, of the environment above all; asked for at each report. */
  readonly secrets: () => readonly string[];
  readonly timers: Timers;
  /** One line, for the log. */
  readonly warn: (message: string) => void;
}
