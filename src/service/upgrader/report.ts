import type { DrainReport } from '../drain/report.ts';

/** The durations of an upgrade, in ms. */
export interface UpgradeDurations {
  /** Until the process that this one had replaced stopped accepting. 0 except for upgrades in quick succession. */
  readonly waitedMs: number;
  /** From the start of the new process until it called `createUpgrader`. */
  readonly startMs: number;
  /** From there until it called `ready()`. */
  readonly readyMs: number;
  /** Both processes served, and the old one could still have continued alone. */
  readonly probationMs: number;
  /** From the call of `upgrade()` until the new process was in charge. */
  readonly totalMs: number;
}

/** A successful upgrade. */
export interface UpgradeReport {
  /** The pid of the process that has taken over. */
  readonly pid: number;
  readonly durations: UpgradeDurations;
  /**
   * Resolves when every server that was open has been drained, to the sum of all reports of `drain`. It stays pending
   * for a program that does not drain.
   */
  readonly drained: Promise<DrainReport>;
}
