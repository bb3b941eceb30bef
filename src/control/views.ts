import type { EventLog } from './event-log.ts';
import type { Output } from './output-feed.ts';

/** What the processes of a worker use: those of its session, and their children that they have waited for. */
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

/** What can be looked at in a supervisor, beside its status. */
export interface Views {
  readonly events: EventLog;
  readonly output: Output;
  /** The current file of the service's output; null where it is in no file. */
  outputFile(): string | null;
  /** The open connections of each generation, counted now; null where nobody may look. Never rejects. */
  connections(): Promise<ReadonlyMap<number, number | null>>;
  /** CPU time and memory of each worker, read now. Rejects where they cannot be read. */
  usage(): Promise<readonly WorkerUsage[]>;
}
