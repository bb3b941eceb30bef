import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { membersOf } from '../../linux/worker-processes.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import type { Timers } from '../../readiness/index.ts';
import type { WorkerConnections } from '../../workers/processes/connections.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';
import type { IdleCloser } from './idle-closer.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Milliseconds from the end of one reading to the next. */
const INTERVAL = 100;

/** Reads the open connections of workers. WorkerConnections implements this interface with /proc and sock_diag(7). */
export type ConnectionReader = Pick<WorkerConnections<string>, 'follow' | 'read' | 'endReceiving'>;

export interface DrainContext {
  readonly connections: ConnectionReader;
  readonly idle: Pick<IdleCloser, 'limitOf' | 'close'>;
  readonly kernel: Pick<Kernel, 'listProcesses'>;
  readonly generations: Generations;
  readonly listeners: Listeners;
  readonly timers: Timers;
  readonly post: (happening: Happening) => void;
  /** See Engine.batch. */
  readonly batch: (run: () => void) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Reads the connections of retiring workers: those in their queues, and the open ones. Reads nothing while no worker
 * retires.
 */
export class DrainWatcher {
  readonly #context: DrainContext;
  #keys = new Map<string, WorkerKey>();
  /** The processes of every worker. One listing of /proc serves all workers of a reading. null: not listed yet. */
  #members: ReadonlyMap<WorkerProcess, ReadonlySet<number>> | null = null;
  #reading = false;
  #broken = false;
  #timer: unknown = null;

  constructor(context: DrainContext) {
    this.#context = context;
  }

  /** Watches exactly these workers from now on. */
  keep(workers: readonly WorkerKey[]): void {
    this.#keys = new Map(workers.map((key) => [nameOf(key), key]));
    const { connections, idle } = this.#context;
    connections.follow(
      new Map([...this.#keys].map(([name, key]) => [name, () => this.#pidsOf(key)] as const)),
      new Map(
        [...this.#keys].flatMap(([name, key]) => {
          const limit = idle.limitOf(key);
          return limit === null ? [] : [[name, limit] as const];
        }),
      ),
    );
    if (this.#keys.size > 0 && !this.#reading && this.#timer === null) void this.#read();
  }

  close(): void {
    this.#keys.clear();
    if (this.#timer !== null) this.#context.timers.clear(this.#timer);
    this.#timer = null;
  }

  async #read(): Promise<void> {
    const { connections, idle, generations, listeners, timers, post, batch, failed } = this.#context;
    this.#timer = null;
    this.#reading = true;
    try {
      this.#members = null;
      const counts = await connections.read();
      this.#broken = false;
      const reports: Happening[] = [];
      for (const [name, count] of counts) {
        const key = this.#keys.get(name);
        if (!key) continue;
        const busy = idle.limitOf(key) === null ? count.busy : await idle.close(key, name, count);
        const lane = generations.find(key)?.post.lane;
        if (lane === undefined || !this.#keys.has(name)) continue;
        reports.push({ type: 'drain_report', ...key, queued: listeners.queued(lane), busy });
      }
      batch(() => {
        for (const report of reports) post(report);
      });
    } catch (error) {
      // If the connections cannot be read, zero waits until the time of the worker has expired. Reported once.
      if (!this.#broken) failed(error);
      this.#broken = true;
    }
    this.#reading = false;
    if (this.#keys.size > 0) this.#timer = timers.set(INTERVAL, () => void this.#read());
  }

  #pidsOf(key: WorkerKey): readonly number[] {
    const { generations, kernel } = this.#context;
    const process = generations.find(key);
    if (process === undefined) return [];
    this.#members ??= membersOf(kernel.listProcesses(), generations.processes());
    return [...(this.#members.get(process) ?? [])];
  }
}

function nameOf({ generation, worker, incarnation }: WorkerKey): string {
  return `${generation}.${worker}.${incarnation}`;
}
