import type { ListenerReading, Readings } from '../../admin/source.ts';
import { type Intake, intakesOn, unixSocket } from '../../linux/sock_diag.ts';
import type { ListenerSnapshot, Listeners } from '../../listeners/listeners.ts';
import type { ConnectionCounter } from './connection-counter.ts';
import { SharedReading } from './shared-reading.ts';
import type { UsageReader } from './usage-reader.ts';

/** Reads the usage of workers and the queues of listeners on request. */
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
    const queues = this.#queues();
    const intakes = { tcp: intakesOf('tcp'), udp: intakesOf('udp') };
    const listeners = this.#listeners.snapshot().map((one) => listenerReading(one, queues, intakes));
    return { workers: await this.#usage.read(), connections: await this.#connections.count(), listeners };
  }

  /** Waiting connections by listener; null if the kernel does not report them. */
  #queues(): ReadonlyMap<string, number> | null {
    try {
      return this.#listeners.queues();
    } catch {
      return null;
    }
  }
}

type Intakes = () => ReadonlyMap<number, Intake>;

/** The intakes of every port from one dump, made when the first listener needs it. */
function intakesOf(network: 'tcp' | 'udp'): Intakes {
  let byInode: Map<number, Intake> | null = null;
  return () => {
    byInode ??= new Map(intakesOn(network, 0).map((intake) => [intake.inode, intake]));
    return byInode;
  };
}

function listenerReading(
  { name, text, address, inode, lanes }: ListenerSnapshot,
  queues: ReadonlyMap<string, number> | null,
  all: { readonly tcp: Intakes; readonly udp: Intakes },
): ListenerReading {
  const own = lanes.length > 0 ? lanes.map((lane) => lane.inode) : [inode];
  try {
    if (queues === null) return { listener: name, queue: null, drops: null };
    // The queue of a steered listener, without zero's own test connections.
    const steered = queues.get(name) ?? null;
    if (address.family === 'unix') {
      const queue = steered ?? unixSocket(inode)?.rqueue ?? 0;
      // The queue of a datagram socket is in bytes. A full Unix socket drops nothing silently: connect(2) and send(2)
      // fail.
      return { listener: name, queue: text.startsWith('unix:') ? queue : null, drops: null };
    }
    const network = text.startsWith('udp') ? 'udp' : 'tcp';
    const known = all[network]();
    const intakes = own.flatMap((one) => known.get(one) ?? []);
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
