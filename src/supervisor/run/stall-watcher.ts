import type { StallWatch, WorkerKey } from '../../lifecycle/events.ts';
import type { Probe } from '../../listeners/diagnosis/probe.ts';
import { isRefusal } from '../../listeners/listener-error.ts';
import type { Acquired, Listeners } from '../../listeners/listeners.ts';
import { type AcceptConfig, acceptListeners } from '../../readiness/index.ts';
import type { Happening } from './engine.ts';
import { type RecoveryContext, RecoveryLook } from './recovery-look.ts';

/** Milliseconds between checks of a queue in which connections were seen. */
const INTERVAL = 1_000;

export interface StallContext extends RecoveryContext {
  readonly listeners: Listeners;
  readonly now: () => number;
  readonly post: (happening: Happening) => void;
  readonly failed: (error: unknown) => void;
}

/** A worker with possibly waiting connections. */
interface Suspicion {
  readonly key: WorkerKey;
  /**
   * Since when connections wait, or since the last report that the worker is hung; null: none waited at the last check.
   */
  since: number | null;
  /**
   * One probe per listener on which connections wait. Queues are first in, first out: when the worker accepts the probe,
   * it has accepted every connection that came before.
   */
  probes: Probe[];
  /**
   * Probes whose acceptance proves nothing, because another worker may have accepted them. One that no process accepts
   * stays in the queue, so no other is opened meanwhile.
   */
  spent: readonly Probe[];
  /** The worker was reported as hung and has not accepted its probes since. */
  hung: boolean;
  /** The listeners on which it did not accept then; null: an earlier supervisor reported it. */
  hungOn: ReadonlySet<string> | null;
  /** Another worker accepts from its sockets, too: an accepted probe proves nothing about this worker. */
  shared: boolean;
  /** Finds out who accepts: of a hung worker whose sockets are shared. */
  look: RecoveryLook | null;
  /** The listeners on which it has accepted a probe since it was reported as hung. */
  readonly recovered: Set<string>;
  /** Calls back when a connection arrives in the lane; null while the queue is checked at intervals instead. */
  arrival: { close(): void } | null;
}

/**
 * Detects hung workers, and their recovery. A queue that is not empty proves little: a busy service has one, too. zero
 * therefore queues a connection of its own behind the waiting ones. The worker is hung when it does not accept this
 * probe in time. zero checks a queue only after a connection has arrived, so the supervisor of an idle service does not
 * wake up. While a rescue worker accepts from the sockets of a hung one, zero looks which of them has accepted.
 */
export class StallWatcher {
  readonly #context: StallContext;
  #suspicions = new Map<string, Suspicion>();
  #timer: unknown = null;
  #broken = false;

  constructor(context: StallContext) {
    this.#context = context;
  }

  /** Watches exactly these workers from now on. */
  keep(workers: readonly StallWatch[]): void {
    const before = this.#suspicions;
    this.#suspicions = new Map(
      workers.map(({ hung, shared, ...key }) => {
        const name = `${key.generation}.${key.worker}.${key.incarnation}`;
        return [name, before.get(name) ?? newSuspicion(key, hung, shared)];
      }),
    );
    for (const [name, suspicion] of before) if (!this.#suspicions.has(name)) clear(suspicion);
    for (const [index, suspicion] of [...this.#suspicions.values()].entries()) {
      const shared = workers[index]?.shared === true;
      // Both may accept a probe that was opened before.
      if (suspicion.shared !== shared) spend(suspicion);
      suspicion.shared = shared;
    }
    for (const [name, suspicion] of this.#suspicions) if (!before.has(name)) this.#rest(suspicion);
    this.#arm();
  }

  close(): void {
    this.keep([]);
  }

  #arm(): void {
    const { timers } = this.#context;
    if ([...this.#suspicions.values()].some(({ arrival }) => arrival === null)) {
      this.#timer ??= timers.set(INTERVAL, () => {
        this.#timer = null;
        for (const suspicion of [...this.#suspicions.values()]) {
          if (suspicion.arrival === null) this.#lookSafely(suspicion);
        }
        this.#arm();
      });
    } else if (this.#timer !== null) {
      timers.clear(this.#timer);
      this.#timer = null;
    }
  }

  /** No connection waits: the next check follows the next connection. */
  #rest(suspicion: Suspicion): void {
    const { generations, listeners, now } = this.#context;
    clear(suspicion);
    const lane = generations.find(suspicion.key)?.post.lane;
    if (lane === undefined || suspicion.hung) return;
    try {
      suspicion.arrival = listeners.watchArrival(lane, () => {
        suspicion.arrival?.close();
        suspicion.arrival = null;
        suspicion.since = now();
        this.#arm();
      });
    } catch (error) {
      // Without a watch (ENOSPC, ENOMEM) the queue is checked each second.
      if (!isRefusal(error)) throw error;
    }
  }

  #lookSafely(suspicion: Suspicion): void {
    try {
      this.#look(suspicion);
      this.#broken = false;
    } catch (error) {
      // A failed reading does not prove that a worker is hung.
      if (!suspicion.hung) clear(suspicion);
      this.#report(error);
    }
  }

  #look(suspicion: Suspicion): void {
    const { generations, listeners, now, post } = this.#context;
    const { key } = suspicion;
    const lane = generations.find(key)?.post.lane;
    const stall = generations.prepared(key.generation)?.settings.handover.stall;
    if (lane === undefined || stall === undefined) return;
    if (suspicion.hung && hasWaitingSpent(suspicion)) return;
    if (suspicion.hung && suspicion.shared) {
      suspicion.look ??= this.#lookForOwner(suspicion, lane);
    } else if (suspicion.since === null && !suspicion.hung) {
      if (listeners.queued(lane) > 0) suspicion.since = now();
      else this.#rest(suspicion);
    } else if (suspicion.probes.length === 0) {
      // The queue was not empty a second ago either.
      if (!suspicion.hung && listeners.queued(lane) === 0) {
        this.#rest(suspicion);
        return;
      }
      suspicion.probes = this.#openProbes(suspicion, lane);
      // None of its listeners has a connection: no time counts.
      if (suspicion.probes.length === 0) suspicion.since = now();
      // Answered at once, so that the worker does not wait for a request until the next check.
      for (const probe of suspicion.probes) probe.accepted();
    } else if (!suspicion.probes.some(isWaiting)) {
      this.#recover(suspicion);
      this.#rest(suspicion);
    } else if (now() - (suspicion.since ?? 0) >= stall) {
      // Reported again while the worker is hung, so that zero sends a failed signal again.
      if (!suspicion.hung) suspicion.hungOn = new Set(suspicion.probes.filter(isWaiting).map(listenerOf));
      suspicion.hung = true;
      suspicion.since = now();
      post({ type: 'stalled', ...key });
    }
  }

  /** The worker has recovered once it has accepted a probe on every listener on which it was hung. */
  #lookForOwner(suspicion: Suspicion, lane: number): RecoveryLook {
    const { key, recovered } = suspicion;
    const probes = this.#openProbes(suspicion, lane);
    const done = (listeners: readonly string[]) => {
      spend(suspicion);
      for (const listener of listeners) recovered.add(listener);
      if (recovered.size > 0 && probes.every(({ listener }) => recovered.has(listener)))
        this.#recover(suspicion);
    };
    return new RecoveryLook(this.#context, key, probes, done, (error) => {
      spend(suspicion);
      this.#report(error);
    });
  }

  #recover(suspicion: Suspicion): void {
    if (suspicion.hung) this.#context.post({ type: 'recovered', ...suspicion.key });
    suspicion.hung = false;
    suspicion.hungOn = null;
    suspicion.recovered.clear();
  }

  /**
   * Opens a probe on every listener on which connections wait, and for a hung worker on every one on which it is not
   * known to accept again. An address that this machine does not have accepts none.
   */
  #openProbes({ key, hung, hungOn, recovered }: Suspicion, lane: number): Probe[] {
    const { generations, listeners } = this.#context;
    const prepared = generations.prepared(key.generation);
    if (!prepared) return [];
    const { acquired, config } = prepared;
    const isWatched = (name: string) =>
      hung
        ? hungOn?.has(name) !== false && !recovered.has(name)
        : listeners.queuedOn(acquired, name, lane) > 0;
    return watchedListeners(acquired, config.service.readiness.accept).flatMap((name) => {
      try {
        return isWatched(name) ? [listeners.openProbe(acquired, name, lane)] : [];
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return [];
      }
    });
  }

  /** Reported once, until a reading succeeds. */
  #report(error: unknown): void {
    if (!this.#broken) this.#context.failed(error);
    this.#broken = true;
  }
}

function newSuspicion(key: WorkerKey, hung: boolean, shared: boolean): Suspicion {
  return {
    key,
    since: null,
    probes: [],
    hung,
    hungOn: null,
    spent: [],
    shared,
    look: null,
    recovered: new Set(),
    arrival: null,
  };
}

/** The steered listeners, without those that a list in `readiness.accept` leaves out: the service need not accept there. */
function watchedListeners({ listeners }: Acquired, accept: AcceptConfig): readonly string[] {
  const steered = listeners.filter((listener) => listener.steered).map(({ name }) => name);
  if (accept === false) return steered;
  const named = new Set(acceptListeners(accept, steered));
  return steered.filter((name) => named.has(name));
}

function isWaiting(probe: Probe): boolean {
  return probe.accepted() === 'waiting';
}

function listenerOf({ listener }: Probe): string {
  return listener;
}

/** The probes that are open prove nothing any more. */
function spend(suspicion: Suspicion): void {
  const spent = [...suspicion.spent, ...suspicion.probes, ...(suspicion.look?.end() ?? [])];
  suspicion.spent = [];
  suspicion.probes = [];
  clear(suspicion);
  suspicion.spent = spent;
}

/** Closes the others. */
function hasWaitingSpent(suspicion: Suspicion): boolean {
  const waiting = suspicion.spent.filter(isWaiting);
  for (const probe of suspicion.spent) if (!waiting.includes(probe)) probe.close();
  suspicion.spent = waiting;
  return waiting.length > 0;
}

function clear(suspicion: Suspicion): void {
  const { probes, spent, look, arrival } = suspicion;
  for (const probe of [...probes, ...spent, ...(look?.end() ?? [])]) probe.close();
  arrival?.close();
  suspicion.arrival = null;
  suspicion.look = null;
  suspicion.probes = [];
  suspicion.spent = [];
  suspicion.since = null;
}
