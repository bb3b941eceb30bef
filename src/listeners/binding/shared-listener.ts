import type { ListenerConfig } from '../../config/schema.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import { type BoundListener, changeListener, closeListener } from './bound-listener.ts';
import { needsRestart, refuseFixedChanges } from './options.ts';
import type { InetTarget } from './resolve.ts';

/** One reference on a listening socket: the config of one generation. */
export interface Reference {
  readonly config: ListenerConfig;
}

/** A listening socket and those who refer to it, the oldest first. The newest decides how it is set. */
export class SharedListener {
  readonly bound: BoundListener;
  readonly #references: Reference[] = [];
  #applied: ListenerConfig;

  /** Whether lanes were asked for when it was bound. */
  readonly #wantedLanes: boolean;

  /** `config` is what the socket was bound for. */
  constructor(bound: BoundListener, config: ListenerConfig, wantedLanes: boolean) {
    this.bound = bound;
    this.#wantedLanes = wantedLanes;
    this.#applied = config;
  }

  /** How the socket is set now. */
  get config(): ListenerConfig {
    return this.#applied;
  }

  /** What configs that mean this socket have in common with those that refer to it: see KnownListeners. */
  keys(): readonly string[] {
    const { target } = this.bound;
    const identities = this.#references.map(({ config }) => identity(config));
    return target === null ? identities : [...identities, targetKey(this.#applied, target)];
  }

  /** Takes a reference; the socket is not changed yet. Throws ListenerError for a config that only a new bind can meet. */
  refer(config: ListenerConfig, wantsLanes: boolean): Reference {
    refuseFixedChanges(this.#applied, config);
    if (wantsLanes !== this.#wantedLanes) throw needsRestart(config, 'steer');
    const reference = { config };
    this.#references.push(reference);
    return reference;
  }

  /** Sets the socket as its newest reference wants it. Throws ListenerError. */
  settle(own: OwnSockets): void {
    const from = this.#applied;
    const to = this.#references.at(-1)?.config ?? from;
    // Noted before the attempt: when it fails half-way, settling again undoes the half that was done.
    this.#applied = to;
    if (from !== to) changeListener(this.bound, from, to, own);
  }

  /** Whether the socket is going to be closed with this reference. */
  isLastOf(reference: Reference): boolean {
    return this.#references.every((one) => one === reference);
  }

  /** Takes a reference back; the socket is closed with its last one. Returns whether it is closed now. */
  drop(reference: Reference): boolean {
    const index = this.#references.indexOf(reference);
    if (index !== -1) this.#references.splice(index, 1);
    if (this.#references.length > 0) return false;
    closeListener(this.bound);
    return true;
  }
}

/** Two listeners on port 0 are two sockets: their names tell them apart. */
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

/** Finds the socket that a config means: the same normalised address, else the same address once resolved. */
export class KnownListeners {
  readonly #byKey = new Map<string, SharedListener>();

  constructor(sockets: Iterable<SharedListener>) {
    for (const socket of sockets) this.add(socket);
  }

  add(socket: SharedListener): void {
    for (const key of socket.keys()) if (!this.#byKey.has(key)) this.#byKey.set(key, socket);
  }

  /** @param target null as long as the address is not resolved */
  find(config: ListenerConfig, target: InetTarget | null): SharedListener | null {
    const found = this.#byKey.get(identity(config));
    if (found !== undefined || target === null || target.address.port === 0) return found ?? null;
    return this.#byKey.get(targetKey(config, target)) ?? null;
  }
}
