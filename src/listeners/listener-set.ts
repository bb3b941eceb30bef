import type { ListenerConfig } from '../config/schema.ts';
import { formatAddress, type SocketAddress } from '../linux/sockaddr.ts';
import { bindListener, listenAgain } from './bound-listener.ts';
import type { OwnSockets } from './holders.ts';
import { ListenerError, nameAddress } from './listener-error.ts';
import { type InetTarget, type Lookup, resolveTarget } from './resolve.ts';
import { type Reference, SharedListener } from './shared-listener.ts';

/** One listener as a generation is given it. */
export interface AcquiredListener {
  readonly name: string;
  /** The descriptor in the supervisor. */
  readonly fd: number;
  /** The descriptor's number in the service: socket_fd of the config. */
  readonly target: number;
  /** As bound, with the port that the kernel chose. */
  readonly address: SocketAddress;
  /** `127.0.0.1:8080`, `[::]:8080`, `/run/app.sock`. */
  readonly text: string;
  readonly config: ListenerConfig;
}

/** The listeners of one config, held until `release`. */
export interface Acquired {
  readonly listeners: readonly AcquiredListener[];
  /** Lets go of the listeners: those that nobody else has acquired are closed. A second call does nothing. Never throws. */
  release(): void;
}

/** One listening socket as plain data, for the state file. */
export interface ListenerSnapshot {
  /** The normalised address of the config, `tcp:127.0.0.1:80`. */
  readonly text: string;
  readonly name: string;
  readonly address: SocketAddress;
  readonly inode: number;
  readonly fd: number;
}

export interface ListenerSetOptions {
  /** Resolves host names; the system's resolver when left out. */
  readonly lookup?: Lookup;
  /** Told what went wrong in a release: a setting that could not be put back. */
  readonly warn?: (message: string) => void;
}

/** A socket as one acquisition holds it. */
interface Hold {
  readonly socket: SharedListener;
  readonly reference: Reference;
}

/**
 * The one owner of every listening descriptor of the supervisor. The sockets listen from the moment they are bound, before any service
 * exists: a client that comes early waits in the queue.
 */
export class ListenerSet {
  readonly #sockets = new Set<SharedListener>();
  readonly #holds = new WeakMap<Acquired, readonly Hold[]>();
  readonly #lookup: Lookup | undefined;
  readonly #warn: (message: string) => void;

  constructor(options: ListenerSetOptions = {}) {
    this.#lookup = options.lookup;
    this.#warn = options.warn ?? (() => {});
  }

  /**
   * Takes one reference on each listener of `spec`, binding those that are not there yet. A listener is the same as before when its
   * normalised address is (port 0: its name, too), or what that resolves to; its other settings are changed to those of `spec`, and
   * go back when this acquisition is released before an older one.
   *
   * All or nothing: on failure what this call bound is closed, what it changed is put back, and the promise rejects with ListenerError.
   */
  async acquire(spec: readonly ListenerConfig[]): Promise<Acquired> {
    const holds: Hold[] = [];
    try {
      // Held before the resolver is waited for, so that none is closed meanwhile.
      const known = spec.map((config) => this.#holdKnown(config, null, holds));
      const targets = await Promise.all(
        spec.map((config, index) => (known[index] ? null : this.#resolve(config))),
      );
      const ordered = spec.map((config, index) => {
        const target = targets[index] ?? null;
        return known[index] ?? this.#holdKnown(config, target, holds) ?? this.#holdNew(config, target, holds);
      });
      for (const hold of ordered) hold.socket.settle(this.#nameOf);
      return this.#acquired(ordered);
    } catch (error) {
      this.#release(holds);
      throw error;
    }
  }

  /**
   * Calls listen(2) again with the configured backlog: a service that listens with its own changes that of the socket, which it shares
   * with the supervisor. Does nothing once `acquired` is released. Throws ListenerError.
   */
  relisten(acquired: Acquired): void {
    for (const hold of this.#holds.get(acquired) ?? []) {
      listenAgain(hold.socket.bound, hold.reference.config, this.#nameOf);
    }
  }

  /** Every socket that is held now. */
  snapshot(): ListenerSnapshot[] {
    return [...this.#sockets].map(({ bound, config }) => ({
      text: config.address.text,
      name: config.name,
      address: bound.address,
      inode: bound.inode,
      fd: bound.fd,
    }));
  }

  async #resolve(config: ListenerConfig): Promise<InetTarget | null> {
    return config.address.kind === 'inet' ? resolveTarget(config, config.address, this.#lookup) : null;
  }

  #holdKnown(config: ListenerConfig, target: InetTarget | null, holds: Hold[]): Hold | null {
    const socket = [...this.#sockets].find((one) => one.isMeantBy(config, target));
    if (socket === undefined) return null;
    const twin = holds.find((hold) => hold.socket === socket);
    if (twin !== undefined) {
      const other = twin.reference.config;
      const message = `bind ${nameAddress(config)}: the same address as listener ${other.name} (${nameAddress(other)})`;
      throw new ListenerError(config.name, message);
    }
    return hold(socket, config, holds);
  }

  #holdNew(config: ListenerConfig, target: InetTarget | null, holds: Hold[]): Hold {
    const socket = new SharedListener(bindListener(config, target, this.#nameOf), config);
    this.#sockets.add(socket);
    return hold(socket, config, holds);
  }

  #acquired(holds: readonly Hold[]): Acquired {
    const acquired: Acquired = {
      listeners: holds.map(({ socket: { bound }, reference: { config } }) => ({
        name: config.name,
        fd: bound.fd,
        target: config.socket_fd,
        address: bound.address,
        text: formatAddress(bound.address),
        config,
      })),
      release: () => {
        const held = this.#holds.get(acquired);
        this.#holds.delete(acquired);
        if (held !== undefined) this.#release(held);
      },
    };
    this.#holds.set(acquired, holds);
    return acquired;
  }

  #release(holds: readonly Hold[]): void {
    for (const { socket, reference } of holds) {
      try {
        if (socket.drop(reference)) this.#sockets.delete(socket);
        else socket.settle(this.#nameOf);
      } catch (error) {
        this.#warn(error instanceof Error ? error.message : String(error));
      }
    }
  }

  readonly #nameOf: OwnSockets = (inode) => {
    const socket = [...this.#sockets].find(({ bound }) => bound.inode === inode);
    return socket?.config.name ?? null;
  };
}

function hold(socket: SharedListener, config: ListenerConfig, holds: Hold[]): Hold {
  const taken = { socket, reference: socket.refer(config) };
  holds.push(taken);
  return taken;
}
