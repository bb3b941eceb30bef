import type { Address } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { formatAddress, type SocketAddress } from '../../linux/sockaddr.ts';
import type { Lanes } from '../lanes/lanes.ts';
import type { AcquiredListener } from '../listeners.ts';
import { asBound, type BoundListener } from './bound-listener.ts';
import type { Hold } from './listener-pool.ts';

/** How the listeners of one acquisition get their lanes. */
export interface LaneAccess {
  give(lanes: Lanes, lane: number, first: number | undefined): number;
  regain(lanes: Lanes, lane: number, first: number | undefined): number | null;
}

/** A listener as one acquisition holds it. A class, because a thousand objects with getters of their own are large. */
export class HeldListener implements AcquiredListener {
  readonly name: string;
  readonly steered: boolean;
  readonly target: number;
  readonly address: SocketAddress;
  readonly text: string;
  readonly config: ListenerConfig & { readonly address: Address };
  readonly #bound: BoundListener;
  readonly #access: LaneAccess;

  constructor({ socket: { bound }, reference: { config } }: Hold, access: LaneAccess) {
    this.name = config.name;
    this.steered = bound.lanes !== null;
    this.target = config.socket_fd;
    this.address = bound.address;
    this.text = formatAddress(bound.address);
    this.config = asBound(config, bound);
    this.#bound = bound;
    this.#access = access;
  }

  /** A lane that was shut down may be replaced. */
  get fd(): number {
    return this.#bound.fd;
  }

  fdOf(lane: number, first?: number): number {
    const { fd, lanes } = this.#bound;
    return lanes === null ? fd : this.#access.give(lanes, lane, first);
  }

  regain(lane: number, first?: number): number | null {
    const { fd, lanes } = this.#bound;
    return lanes === null ? fd : this.#access.regain(lanes, lane, first);
  }
}
