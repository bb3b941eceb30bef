import type { WorkerKey } from '../../src/lifecycle/events.ts';
import type { ConnectionReader } from '../../src/supervisor/run/drain-watcher.ts';
import type { Faults } from './faults.ts';

export interface ConnectionsContext {
  readonly faults: Faults;
  /** Called when promises have work. */
  readonly wake: () => void;
  /** The number of connections that a worker has accepted and not finished. */
  readonly busy: (key: WorkerKey) => number;
}

/** Reads the open connections of workers from the world. */
export class FakeConnections implements ConnectionReader {
  readonly #context: ConnectionsContext;
  #workers: ReadonlyMap<string, () => readonly number[]> = new Map();

  constructor(context: ConnectionsContext) {
    this.#context = context;
  }

  follow(workers: ReadonlyMap<string, () => readonly number[]>): void {
    this.#context.faults.raise('readConnections');
    this.#workers = workers;
  }

  endReceiving(): Promise<number> {
    return Promise.resolve(0);
  }

  async read(): Promise<ReadonlyMap<string, { open: number; busy: number }>> {
    const { faults, wake, busy } = this.#context;
    wake();
    faults.check('readConnections', 'sock_diag');
    const counts = new Map<string, { open: number; busy: number }>();
    for (const [name, pids] of this.#workers) {
      if (pids().length === 0) continue;
      const [generation = 0, worker = 0, incarnation = 0] = name.split('.').map(Number);
      const open = busy({ generation, worker, incarnation });
      counts.set(name, { open, busy: open });
    }
    return counts;
  }
}
