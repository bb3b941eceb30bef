/** How a drain ended. Every connection is in exactly one of `finished`, `closedIdle` and `cut`. */
export interface DrainReport {
  /** `drained`: nothing had to be cut; `timed out`: something was open at the deadline; `aborted`: something was open at the abort. */
  readonly outcome: 'drained' | 'timed out' | 'aborted';
  /** Open when the drain began, or accepted from the queue since. */
  readonly connections: number;
  /** Ended by themselves, or after they were told to. */
  readonly finished: number;
  /** Had no request under way for as long as `idleMs` or the server's own keepAliveTimeout allows, and were closed. */
  readonly closedIdle: number;
  /** Still busy at the deadline or the abort, and cut off. */
  readonly cut: number;
  /** Were told to close: an answer with `Connection: close`, GOAWAY, close code 1012. Each is also in one of the three above. */
  readonly toldToClose: number;
  /**
   * Of `closedIdle`: the client had sent something before it could know. HTTP/1.1's own race; that request reached no handler, so
   * that it is safe to send it again.
   */
  readonly raced: number;
  /** From the beginning to when nothing more was accepted, in ms. */
  readonly stoppedAcceptingMs: number;
  /** From the beginning to the end of the last connection, in ms. */
  readonly durationMs: number;
}

/** The worst that happened to one of several servers. */
const SEVERITY = ['drained', 'timed out', 'aborted'] as const;

/** One report for servers that were drained together: counts are added, the longest duration counts. */
export function sumOf(reports: readonly DrainReport[]): DrainReport {
  const add = (count: (report: DrainReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  const longest = (duration: (report: DrainReport) => number): number =>
    reports.reduce((most, report) => Math.max(most, duration(report)), 0);
  return {
    outcome:
      SEVERITY.findLast((outcome) => reports.some((report) => report.outcome === outcome)) ?? 'drained',
    connections: add((report) => report.connections),
    finished: add((report) => report.finished),
    closedIdle: add((report) => report.closedIdle),
    cut: add((report) => report.cut),
    toldToClose: add((report) => report.toldToClose),
    raced: add((report) => report.raced),
    stoppedAcceptingMs: longest((report) => report.stoppedAcceptingMs),
    durationMs: longest((report) => report.durationMs),
  };
}
