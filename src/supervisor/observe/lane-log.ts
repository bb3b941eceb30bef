import { errorText } from '../../common/errors.ts';
import { eventLoop, inSlices } from '../../common/slices.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { REUSEPORT_ADVICE } from '../../listeners/diagnosis/foreign-sockets.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import type { NamedFault, NamedForeignSocket } from '../../listeners/listeners.ts';

/** The pause before the next check, as a multiple of the time that the last check took. */
const REST = 3;

/** Reports changes that services make to the lanes, and foreign sockets on a steered address. Each is reported once. */
export class LaneLog {
  readonly #listeners: ListenerSet;
  readonly #report: (fact: Fact) => void;
  readonly #known = new Set<number>();
  #watch: { close(): void } | null = null;
  #look: NodeJS.Timeout | null = null;
  #restUntil = 0;
  #isLooking = false;
  #work: { cancel(): void } | null = null;
  /** A check was requested during a check. */
  #isAsked = false;

  constructor(listeners: ListenerSet, report: (fact: Fact) => void) {
    this.#listeners = listeners;
    this.#report = report;
  }

  start(): void {
    this.#watch ??= this.#listeners.watchFaults((faults) => this.#say(faults));
  }

  close(): void {
    this.#watch?.close();
    this.#work?.cancel();
    if (this.#look) clearTimeout(this.#look);
  }

  /**
   * Checks for foreign sockets, and for lanes that listen again, after the current work. Takes a millisecond for a few
   * listeners, and is cut into slices for many.
   */
  lookSoon(): void {
    if (this.#look !== null) {
      this.#isAsked = this.#isLooking;
      return;
    }
    const wait = Math.ceil(this.#restUntil - performance.now());
    this.#look = setTimeout(() => this.#begin(), Math.max(0, wait));
  }

  #begin(): void {
    const start = performance.now();
    this.#isLooking = true;
    this.#work = inSlices(this.#steps(), eventLoop, (failure) => {
      const end = performance.now();
      this.#restUntil = end + (end - start) * REST;
      this.#looked(failure);
    });
  }

  *#steps(): Generator<void, void, void> {
    for (const { faults, foreign } of this.#listeners.inspect()) {
      this.#say(faults);
      for (const socket of foreign) {
        if (this.#known.has(socket.inode)) continue;
        this.#known.add(socket.inode);
        this.#warn(describeForeignSocket(socket));
      }
      yield;
    }
  }

  #looked(failure: { readonly error: unknown } | null): void {
    this.#look = null;
    this.#work = null;
    this.#isLooking = false;
    // The next exit, or the next worker that becomes ready, triggers another check.
    if (failure !== null) this.#warn(`lanes cannot be inspected: ${errorText(failure.error)}`);
    // A request made during the check may concern listeners that were already checked.
    if (this.#isAsked) this.lookSoon();
    this.#isAsked = false;
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
