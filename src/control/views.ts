import type { EventLog } from './event-log.ts';
import type { Output } from './output-feed.ts';

/** The resource usage of a worker: all processes of its session, and their child processes that were waited for. */
export interface WorkerUsage {
  readonly generation: number;
  readonly worker: number;
  /** User and system time since its start. */
  readonly cpuSeconds: number;
  /** Resident memory. Pages that several processes share count for each of them. */
  readonly residentBytes: number;
  /** CPU time per time over the last `intervalMs`; 1 is one core. */
  readonly cpuShare: number;
  readonly intervalMs: number;
}

/** The values of a supervisor that can be read, besides its status. */
export interface Views {
  readonly events: EventLog;
  readonly output: Output;
  /** The current file of the service's output; null if the output is in no file. */
  outputFile(): string | null;
  /**
   * The open connections of each generation, counted now; null if zero has no permission to count them. Never rejects.
   */
  connections(): Promise<ReadonlyMap<number, number | null>>;
  /** CPU time and memory of each worker, read now. Rejects if they cannot be read. */
  usage(): Promise<readonly WorkerUsage[]>;
}
