import type { WorkerKey } from '../../lifecycle/events.ts';
import type { WorkerProcesses } from '../../linux/worker-processes.ts';
import type { Timers } from '../../readiness/index.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';

/** Milliseconds from the end of one reading to the next. */
const INTERVAL = 5_000;

/** Milliseconds above its limit after which a worker is replaced. */
const PATIENCE = 10_000;

/** Reads the memory of workers, in bytes. `processMemory` implements this interface with /proc. */
export type MemoryReader = <W extends WorkerProcesses>(
  workers: readonly W[],
  limit: number,
) => Promise<ReadonlyMap<W, number>>;

export interface MemoryContext {
  readonly generations: Generations;
  readonly memory: MemoryReader;
  readonly timers: Timers;
  readonly now: () => number;
  readonly post: (happening: Happening) => void;
  readonly failed: (error: unknown) => void;
}

/** Reads the memory of workers' processes. Reports a worker that stays above `max_memory` to the core. */
export class MemoryWatcher {
  readonly #context: MemoryContext;
  /** Since when each worker has been above its limit; null: it is below. */
  #workers = new Map<string, { readonly key: WorkerKey; since: number | null }>();
  #timer: unknown = null;
  #reading = false;
  #broken = false;

  constructor(context: MemoryContext) {
    this.#context = context;
  }

  /** Watches exactly these workers from now on. */
  keep(workers: readonly WorkerKey[]): void {
    const before = this.#workers;
    this.#workers = new Map(
      workers.map((key) => {
        const name = `${key.generation}.${key.worker}.${key.incarnation}`;
        return [name, before.get(name) ?? { key, since: null }];
      }),
    );
    this.#arm();
  }

  #arm(): void {
    const { timers } = this.#context;
    if (this.#workers.size > 0) {
      if (!this.#reading) this.#timer ??= timers.set(INTERVAL, () => void this.#read());
    } else if (this.#timer !== null) {
      timers.clear(this.#timer);
      this.#timer = null;
    }
  }

  async #read(): Promise<void> {
    this.#timer = null;
    this.#reading = true;
    try {
      await this.#look();
      this.#broken = false;
    } catch (error) {
      // A failed reading proves nothing about the workers. Reported once, until a reading succeeds.
      for (const worker of this.#workers.values()) worker.since = null;
      if (!this.#broken) this.#context.failed(error);
      this.#broken = true;
    }
    this.#reading = false;
    this.#arm();
  }

  async #look(): Promise<void> {
    const { generations, memory, now, post } = this.#context;
    const watched = [...this.#workers.values()].flatMap((worker) => {
      const limit = generations.prepared(worker.key.generation)?.settings.restart.maxMemory ?? null;
      const process = generations.find(worker.key);
      return limit === null || process === undefined ? [] : [{ worker, limit, process }];
    });
    const used = await memory(
      watched.map(({ process }) => process),
      Math.min(...watched.map(({ limit }) => limit)),
    );
    for (const { worker, limit, process } of watched) {
      const bytes = used.get(process) ?? 0;
      worker.since = bytes > limit ? (worker.since ?? now()) : null;
      if (worker.since !== null && now() - worker.since >= PATIENCE)
        post({ type: 'memory_exceeded', ...worker.key, bytes });
    }
  }
}
