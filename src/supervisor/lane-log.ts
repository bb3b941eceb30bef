import type { Fact } from '../lifecycle/facts.ts';
import type { ListenerSet } from '../listeners/listener-set.ts';
import type { NamedFault, NamedForeignSocket } from '../listeners/listeners.ts';

/** Says what services do to the lanes, and who else listens on a steered address: each once. */
export class LaneLog {
  readonly #listeners: ListenerSet;
  readonly #report: (fact: Fact) => void;
  readonly #known = new Set<number>();
  #watch: { close(): void } | null = null;
  #look: NodeJS.Immediate | null = null;

  constructor(listeners: ListenerSet, report: (fact: Fact) => void) {
    this.#listeners = listeners;
    this.#report = report;
  }

  start(): void {
    this.#watch ??= this.#listeners.watchFaults((faults) => this.#say(faults));
  }

  close(): void {
    this.#watch?.close();
    if (this.#look) clearImmediate(this.#look);
  }

  /** Looks for sockets of others, and for lanes that listen anew, when the current work is done: a millisecond where there are none. */
  lookSoon(): void {
    this.#look ??= setImmediate(() => {
      this.#look = null;
      try {
        this.#lookNow();
      } catch (error) {
        // The next exit, or the next worker that is ready, looks again.
        this.#warn(`lanes cannot be looked at: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
  }

  #lookNow(): void {
    this.#say(this.#listeners.laneFaults());
    for (const foreign of this.#listeners.foreignSockets()) {
      if (this.#known.has(foreign.inode)) continue;
      this.#known.add(foreign.inode);
      this.#warn(describeForeignSocket(foreign));
    }
  }

  #say(faults: readonly NamedFault[]): void {
    for (const fault of faults) this.#warn(describeFault(fault));
  }

  #warn(message: string): void {
    this.#report({ event: 'warning', about: 'lane', message });
  }
}

function describeFault({ listener, lane, kind }: NamedFault): string {
  if (kind === 'name_taken')
    return `listener ${listener}: its name was removed or replaced; it is there again`;
  const what = kind === 'shut_down' ? 'shut down' : 'shut down and listened to again';
  return `listener ${listener}: lane ${lane} was ${what} by the service; it works again, what waited in its queue is lost`;
}

function describeForeignSocket({ listener, uid, holder }: NamedForeignSocket): string {
  const who = holder ? `pid ${holder.pid} (${holder.command})` : `a process of uid ${uid ?? 'unknown'}`;
  return `listener ${listener}: ${who} listens on its address with a socket of its own: steering stays right, but what goes there is not steered`;
}
