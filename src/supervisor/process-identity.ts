/** One process: a pid is used again after its process has exited, and the pair of pid and start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot (proc(5)). */
  readonly startTime: number;
}
