import { Slices } from '../../common/slices.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { ProcessCalls } from '../../linux/kernel.ts';
import { listenerSlices } from '../../linux/sock_diag.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import { socketInodes } from '../../linux/socket-inodes.ts';
import { type SocketUse, socketUse } from '../../linux/socket-use.ts';
import { membersOf, type WorkerProcesses } from '../../linux/worker-processes.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import type { Timers } from '../../readiness/index.ts';

/** Milliseconds from the end of one check to the next. A worker is reported within a second. */
const INTERVAL = 500;

/** Maximum number of lookups per socket. A socket that does not listen a moment after its creation is a connection. */
const MAX_LOOKUPS = 3;

/** A worker that zero waits for, or whose start is recent. */
export interface WaitingWorker extends WorkerProcesses {
  readonly key: WorkerKey;
  /** Its gate `accept` has not passed. */
  readonly waitsToAccept: boolean;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** No process of the worker runs. */
  readonly ended: boolean;
  readonly addresses: {
    /** The worker has no gate `accept`. */
    readonly isUntested: boolean;
    /** The report that the worker listens on these addresses. */
    describeOwn(addresses: readonly string[]): string;
  };
}

export interface ListeningContext {
  readonly kernel: Pick<ProcessCalls, 'listProcesses'>;
  readonly listeners: Pick<Listeners, 'kept'>;
  readonly workers: () => readonly WaitingWorker[];
  readonly timers: Timers;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly report: (fact: Fact) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * A program may open another port before it uses its descriptor. Without a test connection, this number of checks must
 * find an own address of the worker, and no process of the worker that waits for a descriptor.
 */
const UNUSED_LOOKS = 2;

/**
 * How long zero checks a worker without a test connection, in milliseconds from its start. Shorter than the pause after
 * which memory is returned (footprint.ts).
 */
const UNTESTED_TIME = 10_000;

/** The findings about one worker. */
interface Seen {
  /** How often each of its sockets was looked up. */
  readonly lookups: Map<number, number>;
  /** How the processes of a worker without a test connection use its descriptors. */
  use: SocketUse;
  /** The number of checks that found an own address and unused descriptors. */
  unusedLooks: number;
  /** The worker was reported, or it uses its descriptors. */
  isSettled: boolean;
}

/**
 * Reports a worker that listens on a socket of its own while zero waits for the worker to accept on its descriptors, or
 * while no process of the worker waits for these descriptors. Without the report an operator would learn the reason
 * only after `readiness.timeout`, or never. zero lists the sockets of the machine only when the worker has opened new
 * ones, and reads nothing while it waits for no worker.
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

  /** Schedules a check if zero waits for a worker. */
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
      .filter((worker) => this.#isWatched(worker) && !this.#seen.get(worker)?.isSettled);
  }

  #isWatched({ waitsToAccept, addresses, startedAt, ended }: WaitingWorker): boolean {
    const isNew = !ended && this.#context.now() - startedAt < UNTESTED_TIME;
    return waitsToAccept || (addresses.isUntested && isNew);
  }

  async #lookSafely(): Promise<void> {
    this.#isLooking = true;
    try {
      await this.#look();
      this.#isBroken = false;
    } catch (error) {
      // The report is for the operator only; no decision depends on it. A failure is reported once, until a check
      // succeeds.
      if (!this.#isBroken) this.#context.failed(error);
      this.#isBroken = true;
    }
    this.#isLooking = false;
    this.arm();
  }

  async #look(): Promise<void> {
    const slices = new Slices();
    const members = membersOf(this.#context.kernel.listProcesses(), this.#waiting());
    const own = new Set(this.#context.listeners.kept().map(({ inode }) => inode));
    for (const [worker, pids] of members) {
      if (worker.addresses.isUntested) this.#noteUse(worker, pids, own);
      if (slices.isOver()) await slices.next();
    }
    const owners = await this.#unknownSockets(members, own, slices);
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
    for (const [worker, texts] of addresses) {
      const seen = this.#seenOf(worker);
      if (seen.use === 'unused') seen.unusedLooks += 1;
      const mayUse = worker.addresses.isUntested && seen.unusedLooks < UNUSED_LOOKS;
      // Meanwhile the worker may have accepted a connection, or exited.
      if (mayUse || !this.#isWatched(worker)) continue;
      seen.isSettled = true;
      const message = worker.addresses.describeOwn([...texts]);
      this.#context.report({ event: 'warning', about: 'listener', message });
    }
  }

  /**
   * Notes whether a process of the worker waits for a descriptor of zero. Descriptors are identified by their inodes.
   */
  #noteUse(worker: WaitingWorker, pids: Iterable<number>, own: ReadonlySet<number>): void {
    const seen = this.#seenOf(worker);
    seen.use = socketUse(pids, own);
    seen.isSettled ||= seen.use === 'used';
  }

  /** The sockets of these workers, by inode. Excludes zero's own sockets, and those with enough lookups. */
  async #unknownSockets(
    members: ReadonlyMap<WaitingWorker, ReadonlySet<number>>,
    own: ReadonlySet<number>,
    slices: Slices,
  ): Promise<Map<number, WaitingWorker>> {
    const processes = [...members]
      .filter(([worker]) => !this.#seenOf(worker).isSettled)
      .flatMap(([worker, pids]) => [...pids].map((pid) => ({ worker, pid })));
    const inodes = await socketInodes(
      processes.map(({ pid }) => pid),
      slices,
    );
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
    const known = this.#seen.get(worker) ?? {
      lookups: new Map(),
      use: 'unknown' as const,
      unusedLooks: 0,
      isSettled: false,
    };
    this.#seen.set(worker, known);
    return known;
  }
}
