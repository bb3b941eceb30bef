import { Slices } from '../../common/slices.ts';
import { endReceiving } from '../../linux/end-receiving.ts';
import { socketInodes } from '../../linux/socket-inodes.ts';
import { findBusy, openConnections, type Places } from './open-connections.ts';
import { Witnesses } from './witnesses.ts';

export type { Places } from './open-connections.ts';

/** Lists the processes of a worker's session. */
export type Processes = () => readonly number[];

/** The connections of a worker. */
export interface ConnectionCount {
  /**
   * Accepted and not closed, as of the last walk. Null if zero may not inspect the process. Left out if no connection
   * of any worker was busy and no idle ones were requested: the owners were not read then.
   */
  readonly open?: number | null;
  /**
   * Number of `open` connections that are not idle. 0: none now. More: the number of the last walk; at least one is, or
   * may be, busy now.
   */
  readonly busy: number;
  /** Inodes of connections that have been idle for the requested time. Left out if none was requested. */
  readonly expired?: readonly number[];
}

// Walks take at most about this share of the main thread's time.
const SHARE = 1 / 4;

/** Maximum delay until a connection that reached the requested idle time is found, in milliseconds. */
const IDLE_INTERVAL = 250;

/**
 * The open connections of leaving workers. All lanes of a listener have the same address, so only the descriptors of
 * the processes show the owner of a connection: a walk reads these, and then all sockets of the places. While a known
 * busy connection stays busy, reading that one is enough. If all connections are idle, the descriptors are not read:
 * that is slow, and it slows the kernel's removal of the processes from /proc.
 */
export class WorkerConnections<Worker> {
  readonly #places: () => Places;
  readonly #slices: () => Slices;
  readonly #now: () => number;
  #workers: ReadonlyMap<Worker, Processes> = new Map();
  #idleLimits: ReadonlyMap<Worker, number> = new Map();
  #walkedAt = Number.NEGATIVE_INFINITY;
  #witnesses = new Witnesses<Worker>();
  #counts: ReadonlyMap<Worker, ConnectionCount> = new Map();
  #restUntil = 0;

  /**
   * @param places called for every walk
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

  /**
   * Follows these workers from now on.
   * @param idleLimits for each worker whose idle connections are wanted: minimum idle time in milliseconds
   */
  follow(workers: ReadonlyMap<Worker, Processes>, idleLimits: ReadonlyMap<Worker, number> = new Map()): void {
    this.#workers = workers;
    this.#idleLimits = idleLimits;
    this.#counts = new Map([...this.#counts].filter(([worker]) => workers.has(worker)));
    if (workers.size === 0) this.#witnesses = new Witnesses();
  }

  /**
   * The connections of each worker. One reading at a time. Rejects with SystemError if the kernel does not report them.
   */
  async read(): Promise<ReadonlyMap<Worker, ConnectionCount>> {
    const workers = this.#workers;
    if (workers.size === 0) return new Map();
    const names = [...workers.keys()];
    if (names.every((worker) => this.#counts.has(worker))) {
      const rests = this.#now() < this.#restUntil;
      if (rests || !this.#mustWalk(names)) return this.#lastCounts(names);
    }
    const start = this.#now();
    const counts = await this.#walk(workers);
    const end = this.#now();
    this.#counts = counts;
    this.#walkedAt = end;
    this.#restUntil = end + (end - start) / SHARE;
    return counts;
  }

  /**
   * Ends the receiving side of these connections of a worker, see linux/end-receiving.ts. Resolves to the number of
   * ended connections. Rejects with SystemError, EPERM if this process may not take descriptors of the worker.
   */
  endReceiving(worker: Worker, inodes: readonly number[]): Promise<number> {
    return endReceiving(this.#workers.get(worker)?.() ?? [], new Set(inodes), this.#slices());
  }

  #mustWalk(workers: readonly Worker[]): boolean {
    if (!workers.every((worker) => this.#witnesses.isBusy(worker))) return true;
    return this.#idleLimits.size > 0 && this.#now() - this.#walkedAt >= IDLE_INTERVAL;
  }

  /** The last counts of workers that may still have connections. */
  #lastCounts(workers: readonly Worker[]): Map<Worker, ConnectionCount> {
    return new Map(
      workers.map((worker) => {
        const { open, busy = 1 } = this.#counts.get(worker) ?? { open: null };
        return [worker, { ...(open !== undefined && { open }), busy: Math.max(1, busy) }];
      }),
    );
  }

  async #walk(workers: ReadonlyMap<Worker, Processes>): Promise<Map<Worker, ConnectionCount>> {
    const places = this.#places();
    if (this.#idleLimits.size === 0) {
      const { isBusy, open } = await findBusy(places);
      this.#witnesses = new Witnesses();
      const nothing: ConnectionCount = open === 0 ? { open, busy: 0 } : { busy: 0 };
      if (!isBusy) return new Map([...workers.keys()].map((worker) => [worker, nothing]));
    }
    const slices = this.#slices();
    const { holders, unreadable } = await this.#look(workers, slices);
    const witnesses = new Witnesses<Worker>();
    const limits = this.#idleLimits;
    const counts = new Map([...workers.keys()].map((worker) => [worker, newCount(limits.has(worker))]));
    const wanted = (inode: number) => {
      const worker = holders.get(inode);
      return worker !== undefined && witnesses.wants(worker);
    };
    for await (const some of openConnections(places, wanted)) {
      for (const { inode, idle, idleFor, isStillBusy } of some) {
        const worker = holders.get(inode);
        const count = worker === undefined ? undefined : counts.get(worker);
        if (worker === undefined || count === undefined) continue;
        count.open += 1;
        if (!idle) count.busy += 1;
        else if (idleFor >= (limits.get(worker) ?? Number.POSITIVE_INFINITY)) count.expired?.push(inode);
        if (isStillBusy !== null) witnesses.add(worker, isStillBusy);
      }
    }
    this.#witnesses = witnesses;
    const unknown = [...unreadable].map((worker) => [worker, { open: null, busy: 1 }] as const);
    return new Map<Worker, ConnectionCount>([...counts, ...unknown]);
  }

  /** The owners of the sockets, by inode. */
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

function newCount(withExpired: boolean): { open: number; busy: number; expired?: number[] } {
  return { open: 0, busy: 0, ...(withExpired && { expired: [] }) };
}
