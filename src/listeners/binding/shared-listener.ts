import type { ListenerConfig } from '../../config/schema.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import { type BoundListener, changeListener, closeListener } from './bound-listener.ts';
import { needsRestart, refuseFixedChanges } from './options.ts';
import type { InetTarget } from './resolve.ts';

/** One reference on a listening socket, with the config of one generation. */
export interface Reference {
  readonly config: ListenerConfig;
}

/** A listening socket and its references, oldest first. The newest reference decides the settings. */
export class SharedListener {
  readonly bound: BoundListener;
  readonly #references: Reference[] = [];
  #applied: ListenerConfig;

  /** Whether the bind asked for lanes. */
  readonly #wantedLanes: boolean;

  /** @param config the config that the socket was bound with */
  constructor(bound: BoundListener, config: ListenerConfig, wantedLanes: boolean) {
    this.bound = bound;
    this.#wantedLanes = wantedLanes;
    this.#applied = config;
  }

  /** The settings that are applied now. */
  get config(): ListenerConfig {
    return this.#applied;
  }

  /** Keys that configs of this socket share with its references: see KnownListeners. */
  keys(): readonly string[] {
    const { target } = this.bound;
    const identities = this.#references.map(({ config }) => identity(config));
    return target === null ? identities : [...identities, targetKey(this.#applied, target)];
  }

  /** Takes a reference without changing the socket. Throws ListenerError for a config that requires a new bind. */
  refer(config: ListenerConfig, wantsLanes: boolean): Reference {
    refuseFixedChanges(this.#applied, config);
    if (wantsLanes !== this.#wantedLanes) throw needsRestart(config, 'steer');
    const reference = { config };
    this.#references.push(reference);
    return reference;
  }

  /** Applies the settings of the newest reference. Throws ListenerError. */
  settle(own: OwnSockets): void {
    const from = this.#applied;
    const to = this.#references.at(-1)?.config ?? from;
    // Set before the attempt: if it fails halfway, the next call undoes the part that was applied.
    this.#applied = to;
    if (from !== to) changeListener(this.bound, from, to, own);
  }

  /** Whether releasing this reference closes the socket. */
  isLastOf(reference: Reference): boolean {
    return this.#references.every((one) => one === reference);
  }

  /** Releases a reference. Closes the socket with its last one. Returns whether the socket is now closed. */
  drop(reference: Reference): boolean {
    const index = this.#references.indexOf(reference);
    if (index !== -1) this.#references.splice(index, 1);
    if (this.#references.length > 0) return false;
    closeListener(this.bound);
    return true;
  }
}

/** Two listeners on port 0 are two sockets: their names distinguish them. */
function identity({ address, name }: ListenerConfig): string {
  return address.kind === 'inet' && address.port === 0 ? `${address.text} ${name}` : address.text;
}

function transport({ address }: ListenerConfig): string {
  return address.network.slice(0, 3);
}

function targetKey(config: ListenerConfig, { address, ipv6Only }: InetTarget): string {
  const { family, host, port } = address;
  return `${transport(config)} ${family} ${host} ${port} ${ipv6Only}`;
}

/** Finds the existing socket for a config: first by the same normalised address, then by the same resolved address. */
export class KnownListeners {
  readonly #byKey = new Map<string, SharedListener>();

  constructor(sockets: Iterable<SharedListener>) {
    for (const socket of sockets) this.add(socket);
  }

  add(socket: SharedListener): void {
    for (const key of socket.keys()) if (!this.#byKey.has(key)) this.#byKey.set(key, socket);
  }

  /** @param target null until the address is resolved */
  find(config: ListenerConfig, target: InetTarget | null): SharedListener | null {
    const found = this.#byKey.get(identity(config));
    if (found !== undefined || target === null || target.address.port === 0) return found ?? null;
    return this.#byKey.get(targetKey(config, target)) ?? null;
  }
}
