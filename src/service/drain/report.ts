/** How a drain ended. Every connection is in exactly one of `finished`, `closedIdle` and `cut`. */
export interface DrainReport {
  /**
   * `drained`: no connection was cut; `timed out`: a connection was open at the deadline; `aborted`: a connection was
   * open at the abort.
   */
  readonly outcome: 'drained' | 'timed out' | 'aborted';
  /** Open when the drain began, or accepted from the queue since. */
  readonly connections: number;
  /** Ended by the client, or after a request to close. */
  readonly finished: number;
  /** Had no request in progress for `idleMs` or the server's own keepAliveTimeout, and were closed. */
  readonly closedIdle: number;
  /** Busy at the deadline or the abort, and cut. */
  readonly cut: number;
  /**
   * Got a request to close: an answer with `Connection: close`, GOAWAY, close code 1012. Each is also in one of the
   * three above.
   */
  readonly toldToClose: number;
  /**
   * Of `closedIdle`: the client had sent a request before it could know of the close (the race of HTTP/1.1). That
   * request reached no handler, so the client can safely send it again.
   */
  readonly raced: number;
  /** From the beginning to when nothing more was accepted, in ms. */
  readonly stoppedAcceptingMs: number;
  /** From the beginning to the end of the last connection, in ms. */
  readonly durationMs: number;
}

/** Outcomes in increasing severity: the sum of several reports has the most severe one. */
const SEVERITY = ['drained', 'timed out', 'aborted'] as const;

/** One report for servers that were drained together, with the sum of all counts and the longest duration. */
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
