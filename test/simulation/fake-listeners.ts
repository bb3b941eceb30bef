import type { ListenerConfig } from '../../src/config/index.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import type { SocketAddress } from '../../src/linux/sockaddr.ts';
import type { Acquired, ListenerSnapshot, Listeners, NamedStranger } from '../../src/listeners/listeners.ts';
import type { Probe } from '../../src/listeners/probe.ts';

const ADDRESS: SocketAddress = { family: 'inet', host: '127.0.0.1', port: 80 };

/** Steered TCP listeners in memory. The world says what waits in a lane, and whether a worker accepts from it. */
export class FakeListeners implements Listeners {
  /** The last steering. */
  steering: Steering | null = null;
  /** Whether a connection in this lane is accepted now. */
  accepts: (lane: number) => boolean = () => false;
  /** How many acquisitions are held. */
  held = 0;
  /** Test connections that are open. */
  probes = 0;
  readonly #queues = new Map<number, number>();
  readonly #watches = new Map<number, Set<() => void>>();

  /** The listeners of a config, as a generation holds them. */
  acquire(configs: readonly ListenerConfig[]): Acquired {
    this.held += 1;
    let open = true;
    return {
      listeners: configs.map((config) => ({
        name: config.name,
        fd: 50,
        steered: true,
        fdOf: (lane) => 50 + lane,
        target: config.socket_fd,
        address: ADDRESS,
        text: '127.0.0.1:80',
        config,
      })),
      release: () => {
        if (open) this.held -= 1;
        open = false;
      },
    };
  }

  /** Connections wait in a lane from now on; who watches the lane is called back once. */
  enqueue(lane: number, count: number): void {
    this.#queues.set(lane, count);
    const watches = this.#watches.get(lane) ?? new Set();
    this.#watches.delete(lane);
    if (count > 0) for (const onQueued of watches) onQueued();
  }

  relisten(): void {}

  steer(steering: Steering): void {
    this.steering = steering;
  }

  openProbe(_acquired: Acquired, listener: string, lane: number): Probe {
    this.probes += 1;
    let open = true;
    return {
      listener,
      lane,
      fd: -1,
      local: ADDRESS,
      remote: ADDRESS,
      accepted: () => (this.accepts(lane) ? 'accepted' : 'waiting'),
      socket: () => Promise.reject(new Error('a fake test connection has no socket')),
      close: () => {
        if (open) this.probes -= 1;
        open = false;
      },
    };
  }

  watchLane(lane: number, onQueued: () => void): { close(): void } {
    const watches = this.#watches.get(lane) ?? new Set();
    this.#watches.set(lane, watches.add(onQueued));
    if (this.queued(lane) > 0) this.enqueue(lane, this.queued(lane));
    return { close: () => watches.delete(onQueued) };
  }

  queued(lane: number): number {
    return this.#queues.get(lane) ?? 0;
  }

  waiting(): number {
    return [...this.#queues.values()].reduce((sum, count) => sum + count, 0);
  }

  *prepareLanes(): Generator<void, void, void> {}

  strangers(): NamedStranger[] {
    return [];
  }

  snapshot(): ListenerSnapshot[] {
    return [];
  }
}
