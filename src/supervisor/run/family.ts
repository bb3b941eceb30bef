import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { type Delivery, joinDeliveries, NOBODY, signalOnce } from '../../workers/processes/delivery.ts';
import { descendantsOf, isStillRunning } from '../../workers/processes/descendants.ts';

/** Processes that belong to a worker, in any session. */
export interface Family {
  /** The pids of the running processes. */
  readonly pids: readonly number[];
  /** Searches for further processes. Throws the file system's error when /proc cannot be listed. */
  look(): void;
  /** Sends SIGKILL to all of them. */
  kill(): Delivery;
}

/** For a process that zero has started: its session contains all its descendants. */
export const NO_FAMILY: Family = { pids: [], look: () => {}, kill: () => NOBODY };

/**
 * The processes that descend from the main process of an adopted service. zero did not start that process, so the
 * process may share a session with others, and the kernel reparents its orphans to init. zero finds the descendants
 * while the main process runs.
 */
export class Descendants implements Family {
  readonly #kernel: Kernel;
  readonly #main: ProcessIdentity;
  #members: readonly ProcessIdentity[] = [];

  constructor(kernel: Kernel, main: ProcessIdentity) {
    this.#kernel = kernel;
    this.#main = main;
    this.look();
  }

  get pids(): readonly number[] {
    return this.#members.filter((member) => this.#runs(member)).map(({ pid }) => pid);
  }

  look(): void {
    const known = this.#members.filter((member) => this.#runs(member));
    const now = this.#runs(this.#main) ? descendantsOf(this.#kernel, this.#main.pid) : [];
    const more = now.filter(({ pid }) => !known.some((member) => member.pid === pid));
    this.#members = [...known, ...more.map(({ pid, startTime }) => ({ pid, startTime }))];
  }

  kill(): Delivery {
    return joinDeliveries(
      this.#members.map((member) =>
        signalOnce(this.#kernel, member.pid, 'SIGKILL', () => this.#runs(member)),
      ),
    );
  }

  #runs({ pid, startTime }: ProcessIdentity): boolean {
    return isStillRunning(this.#kernel.processStat(pid), startTime);
  }
}
