import type { Address } from '../../src/config/address.ts';
import type { ListenerConfig } from '../../src/config/index.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import type { SocketAddress } from '../../src/linux/sockaddr.ts';
import type { BoundSocket } from '../../src/listeners/diagnosis/holders.ts';
import type { Probe } from '../../src/listeners/diagnosis/probe.ts';
import type {
  Acquired,
  KeptSocket,
  ListenerSnapshot,
  Listeners,
  NamedForeignSocket,
} from '../../src/listeners/listeners.ts';
import { type Faults, listenerError } from './faults.ts';
import { type Connection, LISTENERS, type Network } from './network.ts';

const ADDRESS: SocketAddress = { family: 'inet', host: '127.0.0.1', port: 80 };

const CONFIGURED: Address = {
  kind: 'inet',
  network: 'tcp',
  host: '127.0.0.1',
  port: 80,
  text: 'tcp:127.0.0.1:80',
};

/** The first descriptor of a lane. The fake kernel's own descriptors are lower. */
const FIRST_FD = 100_000;
const FDS_PER_LISTENER = 1_000;

/** The lane of a descriptor of a worker. */
export function laneOf(fd: number): number {
  return (fd - FIRST_FD) % FDS_PER_LISTENER;
}

interface LaneWatch {
  readonly lane: number;
  readonly onQueued: () => void;
  /** Listeners whose queue has not been reported. */
  readonly armed: Set<string>;
}

/** Steered TCP listeners in memory, over the network's queues and programs. */
export class FakeListeners implements Listeners {
  /** The number of held acquisitions. */
  held = 0;
  /** Sockets on steered addresses that are not lanes. */
  foreign: readonly NamedForeignSocket[] = [];
  /** Every listener has performed the last steering change. */
  isSteered = true;
  /** The time of the first complete change after a refused one. Until then the reached lanes are unknown. */
  repairedAt = 0;
  /** Lanes whose queues could not be watched at the last attempt. */
  readonly unwatched = new Set<number>();
  /** Lanes whose queues could not be read at the last attempt. */
  readonly unread = new Set<number>();
  /** Steering changes that only some of the listeners have performed. */
  halfSteered = 0;
  /** Open test connections. */
  readonly #probes = new Set<Connection>();
  readonly #network: Network;
  readonly #faults: Faults | null;
  readonly #watches = new Set<LaneWatch>();
  readonly #arrivals = new Set<{ readonly lane: number; readonly run: () => void }>();

  constructor(network: Network, faults: Faults | null = null) {
    this.#network = network;
    this.#faults = faults;
  }

  /** The listeners of a config, as a generation holds them. */
  acquire(configs: readonly ListenerConfig[], steered = true): Acquired {
    this.held += 1;
    let open = true;
    return {
      listeners: configs.map((config, index) => {
        const first = FIRST_FD + index * FDS_PER_LISTENER;
        return {
          name: config.name,
          fd: first,
          steered,
          fdOf: (lane) => {
            this.#faults?.checkListener('fdOf', config.name);
            return first + lane;
          },
          regain: (lane) => first + lane,
          target: config.socket_fd,
          address: ADDRESS,
          text: '127.0.0.1:80',
          config: { ...config, address: CONFIGURED },
        };
      }),
      release: () => {
        if (open) this.held -= 1;
        open = false;
      },
    };
  }

  /** The supervisor has died: the sockets stay open, and their watches end. */
  crash(): void {
    this.held = 0;
    this.#probes.clear();
    // The last change is unknown until the next one.
    this.isSteered = false;
    this.#watches.clear();
    this.#arrivals.clear();
    this.unwatched.clear();
    this.unread.clear();
  }

  /** Lanes whose queues are watched. */
  watched(): Set<number> {
    return new Set([...this.#watches].map(({ lane }) => lane));
  }

  /** Every pending notification for the supervisor. */
  notices(): { readonly kind: 'lane'; readonly run: () => void }[] {
    if (this.#watches.size === 0 && this.#arrivals.size === 0) return [];
    const arrivals = [...this.#arrivals]
      .filter(({ lane }) => this.#network.queue(lane).length > 0)
      .map(({ run }) => ({ kind: 'lane', run }) as const);
    const queues = [...this.#watches].flatMap((watch) => {
      const { lane, armed, onQueued } = watch;
      const listeners = new Set(this.#network.queue(lane).map(({ listener }) => listener));
      return [...listeners]
        .filter((listener) => armed.has(listener))
        .map((listener) => {
          const run = () => {
            armed.delete(listener);
            onQueued();
          };
          return { kind: 'lane', run } as const;
        });
    });
    return [...arrivals, ...queues];
  }

  *relistenInSteps(): Generator<void, void, void> {
    this.#faults?.checkListener('relisten', LISTENERS[0]);
    yield;
  }

  /** Changes one listener after the other. A failed change leaves the previous listeners changed. */
  *steerInSteps(steering: Steering): Generator<void, void, void> {
    const wasSteered = this.isSteered;
    this.isSteered = false;
    const errno = this.#faults?.refuse('steer') ?? null;
    const failing =
      errno === null ? LISTENERS.length : (this.#faults?.random.between(0, LISTENERS.length - 1) ?? 0);
    for (const [index, listener] of LISTENERS.entries()) {
      if (index === failing && errno !== null) {
        if (index > 0) this.halfSteered += 1;
        throw listenerError('steer', errno, listener);
      }
      this.#network.steer(listener, steering);
      yield;
    }
    this.isSteered = true;
    if (!wasSteered) this.repairedAt = this.#network.now;
  }

  openProbe(_acquired: Acquired, listener: string, lane: number): Probe {
    this.#faults?.checkListener('openProbe', listener);
    const connection = this.#network.probe(listener, lane);
    this.#probes.add(connection);
    return {
      listener,
      lane,
      fd: -1,
      local: ADDRESS,
      remote: ADDRESS,
      accepted: () => (connection.by === null ? 'waiting' : 'accepted'),
      acceptedInode: () => (connection.by === null ? null : connection.inode),
      socket: () => Promise.reject(new Error('a fake test connection has no socket')),
      close: () => this.#probes.delete(connection),
    };
  }

  /** The number of open test connections. */
  get probes(): number {
    return this.#probes.size;
  }

  /** The inodes of the test connections that a process has accepted and not closed. */
  socketsOf(pid: number): number[] {
    return [...this.#probes].filter(({ by }) => by?.pid === pid).map(({ inode }) => inode);
  }

  watchLane(lane: number, _isShared: boolean, onQueued: () => void): { close(): void } {
    this.unwatched.add(lane);
    this.#faults?.check('watchLane', `lane ${lane}`);
    this.unwatched.delete(lane);
    const watch = { lane, onQueued, armed: new Set(LISTENERS) };
    this.#watches.add(watch);
    return { close: () => this.#watches.delete(watch) };
  }

  watchArrival(lane: number, onArrival: () => void): { close(): void } {
    this.#faults?.check('watchLane', `lane ${lane}`);
    const arrival = {
      lane,
      run: () => {
        this.#arrivals.delete(arrival);
        onArrival();
      },
    };
    this.#arrivals.add(arrival);
    return { close: () => this.#arrivals.delete(arrival) };
  }

  queued(lane: number): number {
    this.unread.add(lane);
    this.#faults?.check('queued', `lane ${lane}`);
    this.unread.delete(lane);
    return this.#network.queue(lane).length;
  }

  queuedOn(_acquired: Acquired, listener: string, lane: number): number {
    this.#faults?.check('queued', `lane ${lane}`);
    return this.#network.queue(lane).filter((connection) => connection.listener === listener).length;
  }

  /** Every listener is a TCP one: each lane has its own socket. */
  unattended(lane: number): number {
    return this.queued(lane);
  }

  queues(): ReadonlyMap<string, number> {
    const queued = this.#network.lanes().flatMap((lane) => this.#network.queue(lane));
    return new Map(
      LISTENERS.map((name) => [name, queued.filter(({ listener }) => listener === name).length]),
    );
  }

  *prepareLanes(): Generator<void, void, void> {
    for (const listener of LISTENERS) {
      this.#faults?.checkListener('prepareLanes', listener);
      yield;
    }
  }

  foreignSockets(): NamedForeignSocket[] {
    this.#faults?.check('foreignSockets', 'sock_diag');
    return [...this.foreign];
  }

  boundSockets(): BoundSocket[] {
    this.#faults?.check('boundSockets', 'sock_diag');
    return [];
  }

  snapshot(): ListenerSnapshot[] {
    return [];
  }

  kept(): KeptSocket[] {
    return [];
  }
}
