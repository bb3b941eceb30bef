import { Slices } from '../linux/slices.ts';
import { socketInodes } from '../linux/socket-inodes.ts';
import { openConnections, type Places } from './open-connections.ts';
import { Witnesses } from './witnesses.ts';

export type { Places } from './open-connections.ts';

/** Lists the processes of a worker: those of its session. */
export type Processes = () => readonly number[];

/** What a worker has. */
export interface ConnectionCount {
  /** Accepted and not closed, as of the last walk. Null where nobody may look into the process. */
  readonly open: number | null;
  /** Of those, the ones that are not idle. 0: there is none now. More: as of the last walk, and one at least is or may be there now. */
  readonly busy: number;
}

// Walks take at most about this share of the main thread's time.
const SHARE = 1 / 4;

/**
 * The open connections of workers that are to leave. All lanes of a listener have the same address, so whose a connection is follows from
 * the descriptors of the processes alone: a walk looks at these, and then at all sockets of the places. As long as one of a few connections
 * that were busy still is, a look at that one is enough.
 */
export class WorkerConnections<Worker> {
  readonly #places: () => Places;
  readonly #slices: () => Slices;
  readonly #now: () => number;
  #workers: ReadonlyMap<Worker, Processes> = new Map();
  #witnesses = new Witnesses<Worker>();
  #counts: ReadonlyMap<Worker, ConnectionCount> = new Map();
  #restUntil = 0;

  /**
   * @param places asked anew for every walk
   * @param now monotonic milliseconds
   */
  constructor(
    places: () => Places,
    slices: () => Slices = () => new Slices(),
    now: () => number = () => performance.now(),
  ) {
    this.#places = places;
    this.#slices = slices;
    this.#now = now;
  }

  /** From now on these workers. */
  follow(workers: ReadonlyMap<Worker, Processes>): void {
    this.#workers = workers;
    this.#counts = new Map([...this.#counts].filter(([worker]) => workers.has(worker)));
    if (workers.size === 0) this.#witnesses = new Witnesses();
  }

  /** What each of the workers has. One reading at a time. Rejects with SystemError where the kernel does not tell. */
  async read(): Promise<ReadonlyMap<Worker, ConnectionCount>> {
    const workers = this.#workers;
    if (workers.size === 0) return new Map();
    const names = [...workers.keys()];
    if (names.every((worker) => this.#counts.has(worker))) {
      const rests = this.#now() < this.#restUntil;
      if (rests || names.every((worker) => this.#witnesses.isBusy(worker))) return this.#lastCounts(names);
    }
    const start = this.#now();
    const counts = await this.#walk(workers);
    const end = this.#now();
    this.#counts = counts;
    this.#restUntil = end + (end - start) / SHARE;
    return counts;
  }

  /** What was, where it is not known that there is nothing by now. */
  #lastCounts(workers: readonly Worker[]): Map<Worker, ConnectionCount> {
    return new Map(
      workers.map((worker) => {
        const { open = null, busy = 1 } = this.#counts.get(worker) ?? {};
        return [worker, { open, busy: Math.max(1, busy) }];
      }),
    );
  }

  async #walk(workers: ReadonlyMap<Worker, Processes>): Promise<Map<Worker, ConnectionCount>> {
    const slices = this.#slices();
    const { holders, unreadable } = await this.#look(workers, slices);
    const witnesses = new Witnesses<Worker>();
    const counts = new Map([...workers.keys()].map((worker) => [worker, { open: 0, busy: 0 }]));
    const wanted = (inode: number) => {
      const worker = holders.get(inode);
      return worker !== undefined && witnesses.wants(worker);
    };
    for await (const some of openConnections(this.#places(), wanted)) {
      for (const { inode, idle, isStillBusy } of some) {
        const worker = holders.get(inode);
        const count = worker === undefined ? undefined : counts.get(worker);
        if (worker === undefined || count === undefined) continue;
        count.open += 1;
        if (!idle) count.busy += 1;
        if (isStillBusy !== null) witnesses.add(worker, isStillBusy);
      }
    }
    this.#witnesses = witnesses;
    const unknown = [...unreadable].map((worker) => [worker, { open: null, busy: 1 }] as const);
    return new Map<Worker, ConnectionCount>([...counts, ...unknown]);
  }

  /** Who has which socket, by inode. */
  async #look(
    workers: ReadonlyMap<Worker, Processes>,
    slices: Slices,
  ): Promise<{ holders: ReadonlyMap<number, Worker>; unreadable: ReadonlySet<Worker> }> {
    const processes = [...workers].flatMap(([worker, pids]) => pids().map((pid) => ({ worker, pid })));
    const pids = processes.map(({ pid }) => pid);
    const inodes = await socketInodes(pids, slices);
    const holders = new Map<number, Worker>();
    const unreadable = new Set<Worker>();
    for (const [index, { worker }] of processes.entries()) {
      const own = inodes[index] ?? null;
      if (own === null) unreadable.add(worker);
      for (let at = 0; own !== null && at < own.length; at += 1) {
        holders.set(own[at] ?? 0, worker);
        if (slices.isOverAt(at)) await slices.next();
      }
    }
    return { holders, unreadable };
  }
}
