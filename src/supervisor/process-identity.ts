/** One process: a pid is used again after its process has exited, and the pair of pid and start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot (proc(5)). */
  readonly startTime: number;
}

/** The process that holds the listening sockets. */
export interface KeeperIdentity extends ProcessIdentity {
  /** Path of the FIFO through which it notices the death of the supervisor. */
  readonly fifo: string;
}
