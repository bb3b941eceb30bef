import type { ListenerReading, Readings } from '../admin/source.ts';
import { intakesOn, unixSocket } from '../linux/sock_diag.ts';
import type { ListenerSnapshot, Listeners } from '../listeners/listeners.ts';
import type { ConnectionCounter } from './connection-counter.ts';
import { SharedReading } from './shared-reading.ts';
import type { UsageReader } from './usage-reader.ts';

/** Reads what workers use and what waits at listeners when a caller asks. */
export class Meter {
  readonly #usage: UsageReader;
  readonly #listeners: Listeners;
  readonly #connections: ConnectionCounter;
  readonly #shared: SharedReading<Readings>;

  /** @param now monotonic milliseconds */
  constructor(usage: UsageReader, listeners: Listeners, connections: ConnectionCounter, now: () => number) {
    this.#usage = usage;
    this.#listeners = listeners;
    this.#connections = connections;
    this.#shared = new SharedReading(() => this.#measure(), now);
  }

  read(): Promise<Readings> {
    return this.#shared.get();
  }

  async #measure(): Promise<Readings> {
    const listeners = this.#listeners.snapshot().map((one) => listenerReading(one, this.#listeners));
    return { workers: await this.#usage.read(), connections: await this.#connections.count(), listeners };
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
