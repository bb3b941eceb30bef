import type { ListenerReading, Readings, WorkerReading } from '../admin/source.ts';
import { sessionUsage } from '../linux/session-usage.ts';
import { intakesOn, unixSocket } from '../linux/sock_diag.ts';
import type { ListenerSnapshot, Listeners } from '../listeners/listeners.ts';
import type { ConnectionCounter } from './connection-counter.ts';
import type { Generations } from './generations.ts';

/** Readings take at most about this share of the main thread's time, however often somebody asks. */
const SHARE = 1 / 4;

/** Reads what workers use and what waits at listeners, for whoever asks; those who ask at the same time are told the same. */
export class Meter {
  readonly #generations: Generations;
  readonly #listeners: Listeners;
  readonly #connections: ConnectionCounter;
  readonly #now: () => number;
  #last: Promise<Readings> | null = null;
  #freshUntil = 0;

  /** @param now monotonic milliseconds */
  constructor(
    generations: Generations,
    listeners: Listeners,
    connections: ConnectionCounter,
    now: () => number,
  ) {
    this.#generations = generations;
    this.#listeners = listeners;
    this.#connections = connections;
    this.#now = now;
  }

  read(): Promise<Readings> {
    if (this.#last !== null && this.#now() < this.#freshUntil) return this.#last;
    const start = this.#now();
    this.#freshUntil = Number.POSITIVE_INFINITY;
    this.#last = this.#measure().finally(() => {
      const end = this.#now();
      this.#freshUntil = end + (end - start) * (1 / SHARE - 1);
    });
    return this.#last;
  }

  async #measure(): Promise<Readings> {
    const listeners = this.#listeners.snapshot().map((one) => listenerReading(one, this.#listeners));
    return { workers: await this.#workers(), connections: await this.#connections.count(), listeners };
  }

  async #workers(): Promise<WorkerReading[]> {
    const processes = this.#generations.processes();
    const sessions = await sessionUsage(new Set(processes.map(({ session }) => session)));
    return processes.flatMap(({ session, key: { generation, worker } }) => {
      const usage = sessions.get(session);
      return usage === undefined ? [] : [{ generation, worker, ...usage }];
    });
  }
}

function listenerReading(
  { name, text, address, inode, lanes }: ListenerSnapshot,
  listeners: Listeners,
): ListenerReading {
  const own = lanes.length > 0 ? lanes.map((lane) => lane.inode) : [inode];
  try {
    // Of a steered listener, without zero's own test connections.
    const steered = listeners.waiting(name);
    if (address.family === 'unix') {
      const queue = steered ?? unixSocket(inode)?.rqueue ?? 0;
      // Datagrams are counted in bytes, and a full Unix socket turns nobody away unseen: connect(2) and send(2) say so.
      return { listener: name, queue: text.startsWith('unix:') ? queue : null, drops: null };
    }
    const network = text.startsWith('udp') ? 'udp' : 'tcp';
    const intakes = intakesOn(network, address.port).filter((intake) => own.includes(intake.inode));
    const drops = intakes.map((intake) => intake.drops).filter((count) => count !== null);
    return {
      listener: name,
      queue: network === 'tcp' ? (steered ?? sum(intakes.map(({ waiting }) => waiting))) : null,
      drops: drops.length > 0 ? sum(drops) : null,
    };
  } catch {
    // A kernel or sandbox without sock_diag(7).
    return { listener: name, queue: null, drops: null };
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
