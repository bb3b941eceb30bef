import { Slices } from '../../common/slices.ts';
import type { ExitStatus, Usage } from '../../lifecycle/facts.ts';
import { SystemError } from '../../linux/errors.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Reaped } from '../../linux/processes.ts';
import type { ProcessStat } from '../../linux/procfs.ts';
import type { Watch } from '../../linux/reactor.ts';
import { type Delivery, NOBODY, signalOnce, signalThrough } from './delivery.ts';
import { isStillRunning } from './descendants.ts';
import { exitStatusOf, usageOf } from './wait-status.ts';

/** Called once, when the process has exited. `usage` is null if the process was not a child. */
export type OnExit = (status: ExitStatus, usage: Usage | null) => void;

interface Child {
  readonly onExit: OnExit;
  /** Held until the child is reaped. Null if the kernel had none to give (EMFILE). */
  readonly pidfd: number | null;
}

interface Foreign {
  readonly onExit: OnExit;
  readonly claimed: boolean;
  readonly pidfd: number;
  readonly stop: () => void;
}

const UNKNOWN: ExitStatus = { kind: 'unknown' };

/**
 * The only owner of child pids: no other code may wait for a process. A child that was not adopted is an orphan that
 * the kernel gave to this subreaper (prctl(2)). The table reaps it without a report, so that no zombie stays.
 */
export class ProcessTable {
  readonly #kernel: Kernel;
  readonly #batch: (run: () => void) => void;
  readonly #now: () => number;
  /** Every process in /proc, listed once for all exits of a batch. */
  #listing: readonly ProcessStat[] | null = null;
  #isReporting = false;
  readonly #children = new Map<number, Child>();
  readonly #foreign = new Map<number, Set<Foreign>>();
  #stop: (() => void) | null = null;

  /**
   * @param batch reports exits that are found at the same time, see Engine.batch
   * @param now monotonic milliseconds
   */
  constructor(
    kernel: Kernel,
    batch: (run: () => void) => void = (run) => run(),
    now: () => number = () => performance.now(),
  ) {
    this.#kernel = kernel;
    this.#batch = batch;
    this.#now = now;
  }

  /** Starts to reap, beginning with processes that have already exited. Call adopt() for known children first. */
  start(): void {
    this.#stop ??= this.#kernel.onChildSignal(() => this.drain());
    this.drain();
  }

  /** Stops the reaping and all reports. */
  close(): void {
    this.#stop?.();
    this.#stop = null;
    for (const { pidfd } of this.#children.values()) if (pidfd !== null) this.#kernel.closeFd(pidfd);
    this.#children.clear();
    for (const watches of this.#foreign.values()) for (const { stop } of watches) stop();
    this.#foreign.clear();
  }

  /**
   * Reports the exit of a child, and holds a pidfd of the child until then. Call adopt() in the turn in which the child
   * was spawned: a later drain() would take the child for an orphan. Never throws if no pidfd can be opened.
   */
  adopt(pid: number, onExit: OnExit): void {
    // The kernel gave this child the number of a process that has exited.
    this.#reportForeign(pid, UNKNOWN, null);
    this.#children.set(pid, { onExit, pidfd: this.#pidfdOrNull(pid) });
    // One SIGCHLD stands for any number of exits (signal(7)) and may have come before this child was adopted.
    this.#drainSoon();
  }

  /**
   * Reports the exit of a process that is not a child, through its pidfd. The status is unknown unless the process
   * became a child meanwhile, like orphans of descendants. `claimed` is for a main process that a service announced,
   * which is then not a remaining process of a worker, see known(). Throws SystemError: ESRCH if the process does not
   * exist, EMFILE, ENFILE, ENOMEM, ENOSPC.
   */
  watchForeign(pid: number, onExit: OnExit, claimed = false): { close(): void } {
    const kernel = this.#kernel;
    const pidfd = kernel.openPidfd(pid);
    let watch: Watch | null = this.#watchOrClose(pidfd, () => this.#foreignEnded(pid));
    const stop = () => {
      if (watch === null) return;
      watch.close();
      kernel.closeFd(pidfd);
      watch = null;
    };
    const foreign = { onExit, claimed, pidfd, stop };
    const watches = this.#foreign.get(pid) ?? new Set();
    this.#foreign.set(pid, watches.add(foreign));
    const close = () => {
      stop();
      watches.delete(foreign);
      if (watches.size === 0 && this.#foreign.get(pid) === watches) this.#foreign.delete(pid);
    };
    return { close };
  }

  /**
   * Reports the exit of a process that another supervisor started, and signals it through the pidfd that is opened
   * here. Its exit status is unknown, unless the process is a child of this supervisor. Returns false if the pid means
   * another process by now, or the process has exited. Throws SystemError, see watchForeign().
   * @param startTime in clock ticks since boot; it and the pid together identify the process
   */
  adoptForeign(pid: number, startTime: number, onExit: OnExit): boolean {
    const isMeant = () => isStillRunning(this.#kernel.processStat(pid), startTime);
    if (!isMeant()) return false;
    let watch: { close(): void };
    try {
      watch = this.watchForeign(pid, onExit, true);
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ESRCH') return false;
      throw error;
    }
    // The process has had its number all the time, so the pidfd is its own.
    if (isMeant()) return true;
    watch.close();
    return false;
  }

  /**
   * Sends a signal to an adopted child, or to a watched process. Any other process, and one that has exited, gets none.
   * Throws RangeError for an unknown signal.
   */
  signal(pid: number, signal: string): Delivery {
    const child = this.#children.get(pid);
    const pidfd = child ? child.pidfd : ([...(this.#foreign.get(pid) ?? [])][0]?.pidfd ?? null);
    if (pidfd !== null) return signalThrough(this.#kernel, pidfd, pid, signal);
    // The pid of a child stays the child's until this table reaps it.
    return child ? signalOnce(this.#kernel, pid, signal, () => true) : NOBODY;
  }

  /** The pids with an owner: adopted children and claimed foreign processes. */
  known(): ReadonlySet<number> {
    const claimed = [...this.#foreign].filter(([, watches]) => [...watches].some((watch) => watch.claimed));
    return new Set([...this.#children.keys(), ...claimed.map(([pid]) => pid)]);
  }

  /**
   * Every process in /proc. During a report of simultaneous exits, this is one listing for all of them, made after all
   * of them were reaped. Throws the file system's error.
   */
  processes(): readonly ProcessStat[] {
    if (!this.#isReporting) return this.#kernel.listProcesses();
    this.#listing ??= this.#kernel.listProcesses();
    return this.#listing;
  }

  /**
   * Reaps every child that has exited, then reports the exits. After 2 ms, the others follow in the next turn of the
   * event loop: the kernel takes 10 ms to remove a process with thousands of connections.
   */
  drain(): void {
    const ended: Reaped[] = [];
    const slice = new Slices(this.#now);
    for (let next = this.#kernel.reapOne(); next !== null; next = this.#kernel.reapOne()) {
      ended.push(next);
      if (!slice.isOver()) continue;
      this.#drainSoon();
      break;
    }
    if (ended.length === 0) return;
    this.#batch(() => {
      this.#isReporting = true;
      for (const { pid, status, usage } of ended) this.#report(pid, exitStatusOf(status), usageOf(usage));
      this.#isReporting = false;
      this.#listing = null;
    });
  }

  #drainSoon(): void {
    if (this.#stop !== null) this.#kernel.defer(() => this.#stop !== null && this.drain());
  }

  #report(pid: number, status: ExitStatus, usage: Usage | null): void {
    const child = this.#children.get(pid);
    this.#children.delete(pid);
    if (typeof child?.pidfd === 'number') this.#kernel.closeFd(child.pidfd);
    if (child) this.#call(child.onExit, status, usage);
    this.#reportForeign(pid, status, usage);
  }

  #reportForeign(pid: number, status: ExitStatus, usage: Usage | null): void {
    const foreign = [...(this.#foreign.get(pid) ?? [])];
    this.#foreign.delete(pid);
    for (const { stop } of foreign) stop();
    for (const { onExit } of foreign) this.#call(onExit, status, usage);
  }

  /**
   * The kernel reports an exit once. An exception in one callback must not prevent the report of the others, and of
   * later exits.
   */
  #call(onExit: OnExit, status: ExitStatus, usage: Usage | null): void {
    try {
      onExit(status, usage);
    } catch (error) {
      this.#kernel.defer(() => {
        throw error;
      });
    }
  }

  #foreignEnded(pid: number): void {
    this.drain();
    const stat = this.#kernel.processStat(pid);
    // It is a child and a zombie by now, but the drain came too early: its SIGCHLD follows. A child that runs is another
    // process: an open pidfd does not keep the number, which is free once the process is reaped (free_pid, kernel/pid.c).
    if (this.#stop !== null && stat?.ppid === this.#kernel.pid && stat.exiting) return;
    this.#reportForeign(pid, UNKNOWN, null);
  }

  #pidfdOrNull(pid: number): number | null {
    try {
      return this.#kernel.openPidfd(pid);
    } catch {
      // The child can still be signalled, see signal().
      return null;
    }
  }

  #watchOrClose(pidfd: number, onReadable: () => void): Watch {
    try {
      return this.#kernel.watch(pidfd, onReadable);
    } catch (error) {
      this.#kernel.closeFd(pidfd);
      throw error;
    }
  }
}
