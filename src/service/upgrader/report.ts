import type { DrainReport } from '../seams.ts';

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
  readonly totalMs: number;
}

/** The connections of this process when the new one took over, by what became of them. */
export type DrainTotals = Pick<DrainReport, 'finished' | 'toldToClose' | 'cut' | 'durationMs'>;

/** An upgrade that was done. */
export interface UpgradeReport {
  /** Of the process that has taken over. */
  readonly pid: number;
  readonly durations: UpgradeDurations;
  /** Resolves when every server that was open has been drained: what `drain` reported, added up. It stays pending for a program that does not drain. */
  readonly drained: Promise<DrainTotals>;
}

/** The longest of the durations, and the sums of the rest. */
export function totalOf(reports: readonly DrainReport[]): DrainTotals {
  const sum = (key: 'finished' | 'toldToClose' | 'cut'): number =>
    reports.reduce((total, report) => total + report[key], 0);
  return {
    durationMs: Math.max(0, ...reports.map(({ durationMs }) => durationMs)),
    finished: sum('finished'),
    toldToClose: sum('toldToClose'),
    cut: sum('cut'),
  };
}
