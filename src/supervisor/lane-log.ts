import { errorText } from '../common/errors.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { REUSEPORT_ADVICE } from '../listeners/foreign-sockets.ts';
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
        this.#warn(`lanes cannot be inspected: ${errorText(error)}`);
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
  return `listener ${listener}: ${FAULTS[kind](lane)}`;
}

const FAULTS: Readonly<Record<NamedFault['kind'], (lane: number) => string>> = {
  shut_down: (lane) =>
    `lane ${lane} was shut down by the service; it works again, the connections in its queue are lost`,
  listened_again: (lane) =>
    `lane ${lane} was shut down and listened to again by the service; it works again, the connections in its queue are lost`,
  name_taken: () => 'its path was removed or replaced; zero has restored it',
  name_replaced: () =>
    'its path leads to another file now, so new connections do not reach this listener. Let the service use the descriptor instead of a socket of its own, or remove that file: zero then restores the path.',
  name_lost: () =>
    'its path was removed together with the hard link of zero, so no client can connect. Restart zero.',
};

function describeForeignSocket({ listener, uid, holder }: NamedForeignSocket): string {
  const who = holder ? `pid ${holder.pid} (${holder.command})` : `a process of uid ${uid ?? 'unknown'}`;
  return `listener ${listener}: ${who} listens on its address with a socket of its own. zero steers no connections to that socket. ${REUSEPORT_ADVICE}.`;
}
