import type { ExitStatus, Usage } from '../lifecycle/facts.ts';
import { pidfdOpen, reapOne } from '../linux/processes.ts';
import { processStat } from '../linux/procfs.ts';
import { reactor, type Watch } from '../linux/reactor.ts';
import { closeFd } from '../linux/sockets.ts';
import { exitStatusOf, usageOf } from './wait-status.ts';

/** Called once, when the process has ended. `usage` is null when the kernel told somebody else. */
export type OnExit = (status: ExitStatus, usage: Usage | null) => void;

/** The calls that the table makes, replaceable in tests. */
export interface TableSystem {
  readonly reapOne: typeof reapOne;
  readonly onChildSignal: (listener: () => void) => () => void;
}

const SYSTEM: TableSystem = {
  reapOne,
  onChildSignal: (listener) => {
    process.on('SIGCHLD', listener);
    return () => process.off('SIGCHLD', listener);
  },
};

interface Foreign {
  readonly onExit: OnExit;
  readonly claimed: boolean;
  readonly stop: () => void;
}

/**
 * The one owner of child pids: nobody else may wait for a process. A child that nobody adopted is an orphan that the kernel gave to
 * this subreaper (prctl(2)); it is reaped without a word, so that no zombie stays.
 */
export class ProcessTable {
  readonly #system: TableSystem;
  readonly #children = new Map<number, OnExit>();
  readonly #foreign = new Map<number, Set<Foreign>>();
  #stop: (() => void) | null = null;

  constructor(system: TableSystem = SYSTEM) {
    this.#system = system;
  }

  /** Begins to reap. What ended before is reaped now; adopt beforehand whom you know already. */
  start(): void {
    this.#stop ??= this.#system.onChildSignal(() => this.drain());
    this.drain();
  }

  /** Ends the reaping; nothing is reported any more. */
  close(): void {
    this.#stop?.();
    this.#stop = null;
    this.#children.clear();
    for (const watches of this.#foreign.values()) for (const { stop } of watches) stop();
    this.#foreign.clear();
  }

  /**
   * Tells about the end of a child. Call it in the turn in which the child was spawned: a later drain would take it for an orphan.
   */
  adopt(pid: number, onExit: OnExit): void {
    this.#children.set(pid, onExit);
    // One SIGCHLD stands for any number of exits (signal(7)) and may have been the one before this child.
    if (this.#stop !== null) setImmediate(() => this.drain());
  }

  /**
   * Tells about the end of a process that is no child, through its pidfd. The status is unknown unless the process became a child on
   * the way: orphans of descendants do. `claimed` is for a main process that a service named, which is then nobody's leftover, see
   * known(). Throws SystemError ESRCH when there is no such process.
   */
  watchForeign(pid: number, onExit: OnExit, claimed = false): { close(): void } {
    const pidfd = pidfdOpen(pid);
    let watch: Watch | null = watchOrClose(pidfd, () => this.#foreignEnded(pid));
    const stop = () => {
      if (watch === null) return;
      watch.close();
      closeFd(pidfd);
      watch = null;
    };
    const foreign = { onExit, claimed, stop };
    const watches = this.#foreign.get(pid) ?? new Set();
    this.#foreign.set(pid, watches.add(foreign));
    const close = () => {
      stop();
      watches.delete(foreign);
      if (watches.size === 0 && this.#foreign.get(pid) === watches) this.#foreign.delete(pid);
    };
    return { close };
  }

  /** The pids that belong to somebody: adopted children and claimed strangers. */
  known(): ReadonlySet<number> {
    const claimed = [...this.#foreign].filter(([, watches]) => [...watches].some((watch) => watch.claimed));
    return new Set([...this.#children.keys(), ...claimed.map(([pid]) => pid)]);
  }

  /** Reaps every child that has ended. */
  drain(): void {
    for (;;) {
      const ended = this.#system.reapOne();
      if (ended === null) return;
      this.#report(ended.pid, exitStatusOf(ended.status), usageOf(ended.usage));
    }
  }

  #report(pid: number, status: ExitStatus, usage: Usage | null): void {
    const child = this.#children.get(pid);
    const foreign = [...(this.#foreign.get(pid) ?? [])];
    this.#children.delete(pid);
    this.#foreign.delete(pid);
    for (const { stop } of foreign) stop();
    child?.(status, usage);
    for (const { onExit } of foreign) onExit(status, usage);
  }

  #foreignEnded(pid: number): void {
    this.drain();
    // Ours by now, and already a zombie, but the drain came too early: its SIGCHLD is on the way.
    if (this.#stop !== null && processStat(pid)?.ppid === process.pid) return;
    this.#report(pid, { kind: 'unknown' }, null);
  }
}

function watchOrClose(pidfd: number, onReadable: () => void): Watch {
  try {
    return reactor.watch(pidfd, onReadable);
  } catch (error) {
    closeFd(pidfd);
    throw error;
  }
}
