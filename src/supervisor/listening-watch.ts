import type { WorkerKey } from '../lifecycle/events.ts';
import type { Fact } from '../lifecycle/facts.ts';
import type { ProcessCalls } from '../linux/kernel.ts';
import { Slices } from '../linux/slices.ts';
import { listenerSlices } from '../linux/sock_diag.ts';
import { formatAddress } from '../linux/sockaddr.ts';
import { socketInodes } from '../linux/socket-inodes.ts';
import { membersOf, type WorkerProcesses } from '../linux/worker-processes.ts';
import type { Listeners } from '../listeners/listeners.ts';
import type { Timers } from '../readiness/index.ts';

/** From the end of one look to the next, in milliseconds. A worker is reported within a second. */
const INTERVAL = 500;

/** A socket listens within a moment of its creation, or it is a connection: so often is it looked up. */
const MAX_LOOKUPS = 3;

/** A worker that zero waits for. */
export interface WaitingWorker extends WorkerProcesses {
  readonly key: WorkerKey;
  /** Its gate `accept` has not passed. */
  readonly waitsToAccept: boolean;
  /** The report that it listens on these addresses. */
  describeOwnSockets(addresses: readonly string[]): string;
}

export interface ListeningContext {
  readonly kernel: Pick<ProcessCalls, 'listProcesses'>;
  readonly listeners: Pick<Listeners, 'kept'>;
  readonly workers: () => readonly WaitingWorker[];
  readonly timers: Timers;
  readonly report: (fact: Fact) => void;
  readonly failed: (error: unknown) => void;
}

/** What is known of a worker: how often each of its sockets was looked up. */
interface Seen {
  readonly lookups: Map<number, number>;
  isReported: boolean;
}

/**
 * Reports a worker that listens on a socket of its own while zero waits for the worker to accept on its descriptors.
 * Without the report an operator would learn the reason only after `readiness.timeout`. The sockets of the machine are
 * listed only when the worker has opened new ones, and nothing is read while no worker is waited for.
 */
export class ListeningWatch {
  readonly #context: ListeningContext;
  #seen = new WeakMap<WaitingWorker, Seen>();
  #timer: unknown = null;
  #isLooking = false;
  #isClosed = false;
  #isBroken = false;

  constructor(context: ListeningContext) {
    this.#context = context;
  }

  /** Looks soon if a worker is waited for. */
  arm(): void {
    if (this.#isClosed || this.#isLooking || this.#timer !== null || this.#waiting().length === 0) return;
    this.#timer = this.#context.timers.set(INTERVAL, () => {
      this.#timer = null;
      void this.#lookSafely();
    });
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) this.#context.timers.clear(this.#timer);
    this.#timer = null;
  }

  #waiting(): WaitingWorker[] {
    return this.#context
      .workers()
      .filter((worker) => worker.waitsToAccept && !this.#seen.get(worker)?.isReported);
  }

  async #lookSafely(): Promise<void> {
    this.#isLooking = true;
    try {
      await this.#look();
      this.#isBroken = false;
    } catch (error) {
      // It is a report for the operator, and no decision depends on it. Said once until a look succeeds.
      if (!this.#isBroken) this.#context.failed(error);
      this.#isBroken = true;
    }
    this.#isLooking = false;
    this.arm();
  }

  async #look(): Promise<void> {
    const slices = new Slices();
    const owners = await this.#unknownSockets(slices);
    if (owners.size === 0) return;
    const addresses = new Map<WaitingWorker, Set<string>>();
    for (const listeners of listenerSlices()) {
      for (const { inode, address } of listeners) {
        const worker = owners.get(inode);
        if (worker === undefined) continue;
        const known = addresses.get(worker) ?? new Set<string>();
        addresses.set(worker, known.add(formatAddress(address)));
      }
      if (slices.isOver()) await slices.next();
    }
    for (const [worker, own] of addresses) {
      // It may have accepted, or exited, meanwhile.
      if (!worker.waitsToAccept) continue;
      this.#seenOf(worker).isReported = true;
      const message = worker.describeOwnSockets([...own]);
      this.#context.report({ event: 'warning', about: 'listener', message });
    }
  }

  /** The sockets of waiting workers, by inode, that are none of zero's and were not looked up often enough. */
  async #unknownSockets(slices: Slices): Promise<Map<number, WaitingWorker>> {
    const { kernel, listeners } = this.#context;
    const workers = this.#waiting();
    const processes = [...membersOf(kernel.listProcesses(), workers)].flatMap(([worker, members]) =>
      [...members].map((pid) => ({ worker, pid })),
    );
    const inodes = await socketInodes(
      processes.map(({ pid }) => pid),
      slices,
    );
    const own = new Set(listeners.kept().map(({ inode }) => inode));
    const unknown = new Map<number, WaitingWorker>();
    for (const [index, { worker }] of processes.entries()) {
      const { lookups } = this.#seenOf(worker);
      for (const inode of Array.from(inodes[index] ?? [])) {
        const count = lookups.get(inode) ?? 0;
        if (own.has(inode) || unknown.has(inode) || count >= MAX_LOOKUPS) continue;
        lookups.set(inode, count + 1);
        unknown.set(inode, worker);
      }
    }
    return unknown;
  }

  #seenOf(worker: WaitingWorker): Seen {
    const known = this.#seen.get(worker) ?? { lookups: new Map(), isReported: false };
    this.#seen.set(worker, known);
    return known;
  }
}
