import { isSystemFailure } from '../../common/errors.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { type Delivery, joinDeliveries } from '../../workers/processes/delivery.ts';
import type { ProcessTable } from '../../workers/processes/process-table.ts';
import { type Departed, killLeftovers, leftovers } from '../../workers/processes/stopper.ts';
import type { Family } from './family.ts';

/** The processes that remain of a worker after its main process has exited. */
export class Remains {
  readonly #kernel: Kernel;
  readonly #table: ProcessTable;
  readonly #departed: Departed;
  readonly #family: Family;

  constructor(
    { kernel, table }: { kernel: Kernel; table: ProcessTable },
    departed: Departed,
    family: Family,
  ) {
    this.#kernel = kernel;
    this.#table = table;
    this.#departed = departed;
    this.#family = family;
  }

  /** The pids of the remaining processes; null when /proc cannot be listed. */
  find(): number[] | null {
    try {
      const table = this.#table;
      const { session, orphans } = leftovers(this.#kernel, this.#departed, table.known(), table.processes());
      return [...new Set([...session, ...orphans, ...this.#family.pids])];
    } catch (error) {
      if (isSystemFailure(error)) return null;
      throw error;
    }
  }

  /** Sends SIGKILL to all remaining processes. */
  kill(): Delivery {
    const delivery = killLeftovers(this.#kernel, this.#departed, this.#table.known());
    return joinDeliveries([delivery, this.#family.kill()]);
  }

  /**
   * Calls back when these processes, and others that they started, have exited. Never calls back in the same turn. Does
   * not call back when a process cannot be watched (EMFILE) or /proc cannot be listed: the deadline for remaining
   * processes covers that case.
   */
  whenGone(pids: readonly number[], done: () => void): void {
    const waiting = new Set(pids);
    for (const pid of pids) {
      const gone = () => {
        waiting.delete(pid);
        if (waiting.size > 0) return;
        const more = this.find();
        if (more === null) return;
        if (more.length > 0) this.whenGone(more, done);
        else done();
      };
      try {
        this.#table.watchForeign(pid, gone);
      } catch (error) {
        if (!isSystemFailure(error)) throw error;
        // The process exited between the search and the watch.
        if (error.code === 'ESRCH') this.#kernel.defer(gone);
      }
    }
  }
}
