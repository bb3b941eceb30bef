import type { WorkerUsage } from '../../control/views.ts';
import { type ProcessUsage, processUsage } from '../../linux/process-usage.ts';
import type { WorkerProcesses } from '../../linux/worker-processes.ts';
import { SharedReading } from './shared-reading.ts';

/** A process in its place, as the usage reader needs it. */
export interface MeasuredProcess extends WorkerProcesses {
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly key: { readonly generation: number; readonly worker: number };
}

export interface UsageSources {
  readonly processes: () => readonly MeasuredProcess[];
  readonly usage?: <W extends WorkerProcesses>(
    workers: readonly W[],
  ) => Promise<ReadonlyMap<W, ProcessUsage>>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The CPU time of each session at one moment. */
interface Sample {
  readonly at: number;
  readonly cpuSeconds: ReadonlyMap<number, number>;
}

/** Shares over a shorter time are noise: the kernel counts in hundredths of a second (proc_pid_stat(5)). */
const MIN_INTERVAL = 1000;

/**
 * Reads the CPU time and memory of workers on request. Reads nothing in between, so that an idle supervisor does not
 * wake up. The CPU share is the mean since the last reading that is at least a second old, or since the start of the
 * worker.
 */
export class UsageReader {
  readonly #sources: UsageSources;
  readonly #shared: SharedReading<readonly WorkerUsage[]>;
  #base: Sample = { at: 0, cpuSeconds: new Map() };
  #latest: Sample | null = null;

  constructor(sources: UsageSources) {
    this.#sources = sources;
    this.#shared = new SharedReading(() => this.#read(), sources.now);
  }

  /** The usage of every worker with processes. Rejects if /proc cannot be listed. */
  read(): Promise<readonly WorkerUsage[]> {
    return this.#shared.get();
  }

  async #read(): Promise<readonly WorkerUsage[]> {
    const { processes: list, usage: usageOf = processUsage, now } = this.#sources;
    const processes = list();
    const usages = await usageOf(processes);
    const at = now();
    if (this.#latest !== null && at - this.#latest.at >= MIN_INTERVAL) this.#base = this.#latest;
    this.#latest = {
      at,
      cpuSeconds: new Map([...usages].map(([{ session }, { cpuSeconds }]) => [session, cpuSeconds])),
    };
    const workers = new Map<string, WorkerUsage>();
    for (const process of processes) {
      const usage = usages.get(process);
      if (usage === undefined) continue;
      const { generation, worker } = process.key;
      const name = `${generation}.${worker}`;
      const own = { generation, worker, ...usage, ...this.#share(process, usage, at) };
      const other = workers.get(name);
      workers.set(name, other === undefined ? own : sum(other, own));
    }
    return [...workers.values()];
  }

  #share(
    { session, startedAt }: MeasuredProcess,
    { cpuSeconds }: ProcessUsage,
    at: number,
  ): { readonly cpuShare: number; readonly intervalMs: number } {
    const before = this.#base.cpuSeconds.get(session);
    const intervalMs = Math.max(1, at - (before === undefined ? startedAt : this.#base.at));
    // If no process of the worker waited for an exited process, the kernel loses its time (getrusage(2)).
    const used = Math.max(0, cpuSeconds - (before ?? 0));
    return { cpuShare: used / (intervalMs / 1000), intervalMs };
  }
}

/** The sum for a restarted worker and the remaining processes of its predecessor. */
function sum(one: WorkerUsage, other: WorkerUsage): WorkerUsage {
  return {
    ...one,
    cpuSeconds: one.cpuSeconds + other.cpuSeconds,
    residentBytes: one.residentBytes + other.residentBytes,
    cpuShare: one.cpuShare + other.cpuShare,
    intervalMs: Math.max(one.intervalMs, other.intervalMs),
  };
}
