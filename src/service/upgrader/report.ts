import type { DrainReport } from '../drain/report.ts';

/** What an upgrade took, in ms. */
export interface UpgradeDurations {
  /** Until the process that this one had replaced accepted nothing any more; 0 but for quick successions. */
  readonly waitedMs: number;
  /** From the start of the new process until it called `createUpgrader`. */
  readonly startMs: number;
  /** From there until it said `ready()`. */
  readonly readyMs: number;
  /** Both served, and the old one could still have carried on. */
  readonly probationMs: number;
  /** From the call of `upgrade()` until the new process was in charge. */
  readonly totalMs: number;
}

/** An upgrade that was done. */
export interface UpgradeReport {
  /** Of the process that has taken over. */
  readonly pid: number;
  readonly durations: UpgradeDurations;
  /**
   * Resolves when every server that was open has been drained, to what `drain` reported, added up: connections that finished, were told to close, were
   * cut. It stays pending for a program that does not drain.
   */
  readonly drained: Promise<DrainReport>;
}
