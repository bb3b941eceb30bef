import { errorText } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import type { PortRange } from '../../linux/sock_diag.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import type { LanePlan, Lanes } from '../lanes/lanes.ts';
import { wantsLanes } from '../lanes/steerable.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';
import type { SavedListener } from '../listeners.ts';
import { type SocketData, SocketSnapshots } from '../socket-snapshots.ts';
import { adoptListener, type TakenSocket } from './adopted-listener.ts';
import { type BoundListener, bindShared, bindSteered, recoverListener } from './bound-listener.ts';
import type { PassedSockets } from './passed-sockets.ts';
import { type InetTarget, type Lookup, resolveTarget } from './resolve.ts';
import { KnownListeners, type Reference, SharedListener } from './shared-listener.ts';

/** A socket held by one acquisition. */
export interface Hold {
  readonly socket: SharedListener;
  readonly reference: Reference;
}

/** The listeners of one acquisition. */
export interface Held {
  readonly all: readonly Hold[];
  readonly sockets: ReadonlySet<Hold['socket']>;
  readonly byName: ReadonlyMap<string, Hold>;
}

export function heldBy(all: readonly Hold[]): Held {
  return {
    all,
    sockets: new Set(all.map(({ socket }) => socket)),
    byName: new Map(all.map((hold) => [hold.reference.config.name, hold])),
  };
}

interface PoolOptions {
  /** Resolves host names. Default: the system's resolver. */
  readonly lookup: Lookup | undefined;
  readonly passed: PassedSockets;
  readonly warn: (message: string) => void;
  /** Called when a listener's `faults` has something to return. */
  readonly onFault: () => void;
  /** Called before these lanes are closed. */
  readonly onClose: (lanes: Lanes) => void;
}

/** Every listening socket. A socket is bound on first use and closed when its last holder releases it. */
export class ListenerPool {
  readonly #sockets = new Set<SharedListener>();
  readonly #snapshots = new SocketSnapshots();
  readonly #options: PoolOptions;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get sockets(): ReadonlySet<SharedListener> {
    return this.#sockets;
  }

  /** The sockets as plain data. Returns the same objects as long as nothing changes. */
  get data(): SocketData {
    return this.#snapshots.of(this.#sockets);
  }

  /**
   * Takes a reference on each listener and applies its config, all or nothing. Rejects with ListenerError.
   * @param lanes number of lanes to bind; 0: newly bound listeners are shared
   */
  async hold(spec: readonly ListenerConfig[], lanes: number): Promise<readonly Hold[]> {
    const holds = new Map<SharedListener, Hold>();
    try {
      // Held before the resolver's answer is awaited, so that none is closed meanwhile.
      const before = new KnownListeners(this.#sockets);
      const known = spec.map((config) => this.#holdKnown(before.find(config, null), config, lanes, holds));
      const targets = await Promise.all(
        spec.map((config, index) => (known[index] ? null : this.#resolve(config))),
      );
      const now = new KnownListeners(this.#sockets);
      const ordered = spec.map((config, index) => {
        const target = targets[index] ?? null;
        if (known[index]) return known[index];
        const found = this.#holdKnown(now.find(config, target), config, lanes, holds);
        if (found !== null) return found;
        const bound = this.#holdNew(config, target, lanes, holds);
        now.add(bound.socket);
        return bound;
      });
      for (const { socket } of ordered) socket.settle(this.nameOf);
      return ordered;
    } catch (error) {
      this.release([...holds.values()]);
      throw error;
    }
  }

  /**
   * Takes a reference on a listener of a supervisor that died. Its sockets belong to the pool from now on. Null where
   * no socket is left. Throws ListenerError.
   */
  recover(saved: SavedListener, plan: LanePlan): Hold | null {
    const bound = recoverListener(saved, plan, { own: this.nameOf, ...this.#options });
    if (bound === null) return null;
    const steered = saved.lanes.length > 0 || wantsLanes(saved.config);
    const socket = new SharedListener(bound, saved.config, steered);
    this.#sockets.add(socket);
    return { socket, reference: socket.refer(saved.config, steered) };
  }

  /**
   * Takes a reference on a listener of another program. Its socket belongs to the pool from now on. Throws
   * ListenerError: the socket is then unchanged and stays open.
   */
  adopt(taken: TakenSocket): Hold & { readonly abandon: () => void } {
    const { bound, abandon } = adoptListener(taken, { own: this.nameOf, ...this.#options });
    const steered = wantsLanes(taken.config);
    const socket = new SharedListener(bound, taken.config, steered);
    this.#sockets.add(socket);
    return {
      socket,
      reference: socket.refer(taken.config, steered),
      abandon: () => {
        this.#sockets.delete(socket);
        if (bound.lanes !== null) this.#options.onClose(bound.lanes);
        abandon();
      },
    };
  }

  /** The name of the listener that owns a socket. */
  readonly nameOf: OwnSockets = (inode) => this.names()(inode);

  /** The same for many sockets, from one snapshot of the current sockets. */
  names(): OwnSockets {
    const { names } = this.data;
    return (inode) => names.get(inode) ?? null;
  }

  /** zero's own sockets and ports, for a dump of foreign sockets. */
  known(): { own: OwnSockets; ports: PortRange } {
    return { own: this.names(), ports: this.data.ports };
  }

  /**
   * Releases the references. Closes sockets without a holder and gives the others the settings of their newest holder.
   * Never throws.
   */
  release(holds: readonly Hold[]): void {
    for (const { socket, reference } of holds) {
      try {
        if (socket.isLastOf(reference) && socket.bound.lanes !== null)
          this.#options.onClose(socket.bound.lanes);
        if (socket.drop(reference)) this.#sockets.delete(socket);
        else socket.settle(this.nameOf);
      } catch (error) {
        this.#options.warn(errorText(error));
      }
    }
  }

  async #resolve(config: ListenerConfig): Promise<InetTarget | null> {
    return config.address.kind === 'inet'
      ? resolveTarget(config, config.address, this.#options.lookup)
      : null;
  }

  #holdKnown(
    socket: SharedListener | null,
    config: ListenerConfig,
    lanes: number,
    holds: Map<SharedListener, Hold>,
  ): Hold | null {
    if (socket === null) return null;
    const twin = holds.get(socket);
    if (twin !== undefined) {
      const other = twin.reference.config;
      const message = `bind ${nameAddress(config)}: the same address as listener ${other.name} (${nameAddress(other)})`;
      throw new ListenerError(config.name, message);
    }
    return hold(socket, config, lanes, holds);
  }

  #holdNew(
    config: ListenerConfig,
    target: InetTarget | null,
    lanes: number,
    holds: Map<SharedListener, Hold>,
  ): Hold {
    const steered = lanes > 0 && wantsLanes(config);
    const socket = new SharedListener(this.#bind(config, target, steered ? lanes : 0), config, steered);
    this.#sockets.add(socket);
    return hold(socket, config, lanes, holds);
  }

  #bind(config: ListenerConfig, target: InetTarget | null, lanes: number): BoundListener {
    const options = { own: this.nameOf, ...this.#options };
    try {
      return lanes > 0 ? bindSteered(config, target, lanes, options) : bindShared(config, target, options);
    } catch (error) {
      throw this.#options.passed.explain(error, config, target);
    }
  }
}

function hold(
  socket: SharedListener,
  config: ListenerConfig,
  lanes: number,
  holds: Map<SharedListener, Hold>,
): Hold {
  const taken = { socket, reference: socket.refer(config, lanes > 0 && wantsLanes(config)) };
  holds.set(socket, taken);
  return taken;
}
