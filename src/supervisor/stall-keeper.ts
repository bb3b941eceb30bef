import type { WorkerKey } from '../lifecycle/events.ts';
import { isRefusal } from '../listeners/listener-error.ts';
import type { Listeners } from '../listeners/listeners.ts';
import type { Probe } from '../listeners/probe.ts';
import type { Timers } from '../readiness/index.ts';
import type { Happening } from './engine.ts';
import type { Generations } from './generations.ts';

/** How often queues are looked at while somebody is watched. */
const INTERVAL = 1_000;

export interface StallContext {
  readonly generations: Generations;
  readonly listeners: Listeners;
  readonly timers: Timers;
  readonly now: () => number;
  readonly post: (happening: Happening) => void;
  readonly failed: (error: unknown) => void;
}

/** A worker that connections wait for. */
interface Suspicion {
  readonly key: WorkerKey;
  since: number | null;
  /** One on each steered listener. Queues are first in, first out: when it is accepted, so was everything that waited when it came. */
  probes: Probe[];
}

/**
 * Notices workers that hang. A queue that is not empty says little: a busy service has one, too. So a connection of zero's own is put
 * behind what waits, and the worker hangs when that one is not accepted in time.
 */
export class StallKeeper {
  readonly #context: StallContext;
  #suspicions = new Map<string, Suspicion>();
  #timer: unknown = null;
  #broken = false;

  constructor(context: StallContext) {
    this.#context = context;
  }

  /** Exactly these workers from now on. */
  keep(workers: readonly WorkerKey[]): void {
    const before = this.#suspicions;
    this.#suspicions = new Map(
      workers.map((key) => {
        const name = `${key.generation}.${key.worker}.${key.incarnation}`;
        return [name, before.get(name) ?? { key, since: null, probes: [] }];
      }),
    );
    for (const [name, { probes }] of before) {
      if (!this.#suspicions.has(name)) for (const probe of probes) probe.close();
    }
    this.#arm();
  }

  close(): void {
    this.keep([]);
  }

  #arm(): void {
    const { timers } = this.#context;
    if (this.#suspicions.size > 0) {
      this.#timer ??= timers.set(INTERVAL, () => {
        this.#timer = null;
        for (const suspicion of [...this.#suspicions.values()]) this.#lookSafely(suspicion);
        this.#arm();
      });
    } else if (this.#timer !== null) {
      timers.clear(this.#timer);
      this.#timer = null;
    }
  }

  #lookSafely(suspicion: Suspicion): void {
    try {
      this.#look(suspicion);
      this.#broken = false;
    } catch (error) {
      // A reading that failed is no proof that a worker is hung. Reported once, until a reading succeeds.
      clear(suspicion);
      if (!this.#broken) this.#context.failed(error);
      this.#broken = true;
    }
  }

  #look(suspicion: Suspicion): void {
    const { generations, listeners, now, post } = this.#context;
    const { key } = suspicion;
    const lane = generations.find(key)?.post.lane;
    const stall = generations.prepared(key.generation)?.settings.handover.stall;
    if (lane === undefined || stall === undefined) return;
    if (suspicion.since === null) {
      if (listeners.queued(lane) > 0) suspicion.since = now();
    } else if (suspicion.probes.length === 0) {
      // The queue was not empty a second ago either.
      if (listeners.queued(lane) === 0) suspicion.since = null;
      else suspicion.probes = this.#openProbes(key, lane);
    } else if (suspicion.probes.every((probe) => probe.accepted() !== 'waiting')) {
      clear(suspicion);
    } else if (now() - suspicion.since >= stall) {
      clear(suspicion);
      post({ type: 'stalled', ...key });
    }
  }

  /** On every listener where one can be had: an address that this machine does not have takes none. */
  #openProbes(key: WorkerKey, lane: number): Probe[] {
    const { generations, listeners } = this.#context;
    const acquired = generations.prepared(key.generation)?.acquired;
    const steered = acquired?.listeners.filter((listener) => listener.steered) ?? [];
    return steered.flatMap(({ name }) => {
      try {
        return acquired ? [listeners.openProbe(acquired, name, lane)] : [];
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return [];
      }
    });
  }
}

function clear(suspicion: Suspicion): void {
  for (const probe of suspicion.probes) probe.close();
  suspicion.probes = [];
  suspicion.since = null;
}
