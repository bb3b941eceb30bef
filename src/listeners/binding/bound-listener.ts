import { isStreamNetwork } from '../../common/host-port.ts';
import type { Address } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { listenersOn } from '../../linux/sock_diag.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import {
  closeFd,
  getOption,
  inodeOf,
  listenSocket,
  localAddress,
  stopListening,
} from '../../linux/sockets.ts';
import { explainFailure } from '../diagnosis/explain.ts';
import type { ForeignListeners, OwnSockets } from '../diagnosis/holders.ts';
import { LaneGroup } from '../lanes/lane-group.ts';
import type { LaneFault, LanePlan, LaneSocket, Lanes } from '../lanes/lanes.ts';
import { mayBeShared } from '../lanes/steerable.ts';
import { CannotSteerError } from '../lanes/tcp-lane.ts';
import { UnixLanes } from '../lanes/unix-lanes.ts';
import type { SavedListener } from '../listeners.ts';
import { openTcp, openUdp } from './inet.ts';
import { KeptName } from './kept-name.ts';
import { changeLiveOptions, deferAccept } from './options.ts';
import type { PassedSockets } from './passed-sockets.ts';
import type { InetTarget } from './resolve.ts';
import { openUnix } from './unix.ts';
import { applyPermissions, boundFileAt, permissionsOf, type UnixFile, unlinkIfOurs } from './unix-file.ts';
import { laneNames } from './unix-name.ts';

/** One listening descriptor and its properties. */
export interface BoundListener {
  readonly fd: number;
  /** The socket's inode, which identifies the socket in sock_diag and /proc/PID/fd. */
  readonly inode: number;
  /** The bound address, with the port that the kernel chose. */
  readonly address: SocketAddress;
  /** The address of a passed socket, as a config would write it. Null for a socket that zero has bound. */
  readonly passed: Address | null;
  /** The address given to bind(2). Null for a Unix socket and for a passed socket. */
  readonly target: InetTarget | null;
  /** The name on disk. Null for TCP, UDP and abstract names. */
  readonly file: UnixFile | null;
  /** Restores that name of a shared listener. Null where there is none. */
  readonly name: KeptName | null;
  /** The sockets of a steered listener; `fd` is the first. Null for a shared listener. */
  readonly lanes: Lanes | null;
}

/** Settings that every bind uses. */
export interface BindOptions {
  readonly own: OwnSockets;
  readonly warn: (message: string) => void;
  /** Called when `faults` has something to return. */
  readonly onFault: () => void;
  readonly passed: PassedSockets;
}

/**
 * Binds the lanes. Binds one shared socket instead where the config has `steer: auto` and steering is impossible.
 * Throws ListenerError.
 * @param target null for a Unix address
 * @param count number of lanes needed; a Unix address begins with one
 */
export function bindSteered(
  config: ListenerConfig,
  target: InetTarget | null,
  count: number,
  options: BindOptions,
): BoundListener {
  const { address } = config;
  const { own, warn, onFault } = options;
  if (address.kind === 'unix') {
    const lanes = UnixLanes.bind(config, address, own, onFault);
    return new LanesListener(lanes, { family: 'unix', path: address.path }, null);
  }
  try {
    if (target === null) throw new TypeError(`${address.text} was not resolved`);
    const lanes = LaneGroup.bind(config, target, count, own);
    return new LanesListener(lanes, lanes.target.address, target);
  } catch (error) {
    if (!(error instanceof CannotSteerError && mayBeShared(config))) throw error;
    warn(`${error.message}: all generations share one socket`);
    return bindShared(config, target, options);
  }
}

/**
 * Continues with the sockets of a supervisor that died. Their descriptors belong to the listener from now on. Null
 * where no socket is left. Throws ListenerError.
 * @param plan where connections go
 */
export function recoverListener(
  saved: SavedListener,
  plan: LanePlan,
  options: BindOptions,
): BoundListener | null {
  const { config, lanes, fd, inode, order, passedName } = saved;
  const { own, onFault, passed } = options;
  const { address } = config;
  const target = recoveredTarget(saved);
  if (lanes.length > 0 && target !== null) {
    const isLeft = lanes.some((lane) => lane.fd !== null) || hasListener(target, lanes);
    if (!isLeft) return null;
    const group = LaneGroup.recover(config, { target, lanes, order, plan }, own);
    return new LanesListener(group, target.address, target);
  }
  if (lanes.length > 0 && address.kind === 'unix') {
    const main = plan.main[0] ?? 0;
    return new LanesListener(
      UnixLanes.recover(config, address, { lanes, main }, own, onFault),
      saved.address,
      null,
    );
  }
  if (fd === null) return null;
  if (passedName !== null) {
    passed.adopt(passedName, fd);
    const taken = passed.take(config, passedName);
    return { ...NOTHING, fd: taken.fd, inode, address: taken.bound, passed: taken.address };
  }
  if (address.kind !== 'unix' || address.path.startsWith('@'))
    return { ...NOTHING, fd, inode, address: saved.address, target };
  const { kept } = laneNames(address.path, 0);
  const file = boundFileAt(inode, [address.path, kept], address.path);
  const name = file && new KeptName(config, file, options);
  return { ...NOTHING, fd, inode, address: saved.address, file, name };
}

/** The address given to bind(2), as far as the socket shows it. Null for a Unix socket and a passed socket. */
function recoveredTarget({ config, address, fd, lanes, passedName }: SavedListener): InetTarget | null {
  if (address.family === 'unix' || passedName !== null) return null;
  if (address.family === 'inet') return { address, ipv6Only: false };
  const socket = lanes.find((lane) => lane.fd !== null)?.fd ?? fd;
  const asked = config.options.ipv6_only ?? config.address.network.endsWith('6');
  const ipv6Only = socket === null ? asked : getOption(socket, 'ipv6_only') === 1;
  return { address, ipv6Only };
}

function hasListener({ address }: InetTarget, lanes: readonly LaneSocket[]): boolean {
  const inodes = new Set(lanes.map(({ inode }) => inode));
  return listenersOn(address.port).some(({ inode }) => inodes.has(inode));
}

/** A listener whose generations have lanes of their own. */
export class LanesListener implements BoundListener {
  readonly address: SocketAddress;
  readonly passed = null;
  readonly target: InetTarget | null;
  readonly file = null;
  readonly name = null;
  readonly lanes: Lanes;

  constructor(lanes: Lanes, address: SocketAddress, target: InetTarget | null) {
    this.lanes = lanes;
    this.address = address;
    this.target = target;
  }

  /** A lane that was shut down may have been replaced. */
  get fd(): number {
    return this.lanes.sockets[0]?.fd ?? -1;
  }

  get inode(): number {
    return this.lanes.sockets[0]?.inode ?? 0;
  }
}

/**
 * Binds the address and listens, with every option of the config. `target` is null for a Unix address. Throws
 * ListenerError.
 */
export function bindListener(
  config: ListenerConfig,
  target: InetTarget | null,
  own: OwnSockets,
): BoundListener {
  const { address } = config;
  if (address.kind === 'unix') {
    const { fd, file } = openUnix(config, address, own);
    return { ...NOTHING, fd, inode: inodeOf(fd), address: localAddress(fd), file };
  }
  if (target === null) throw new TypeError(`${address.text} was not resolved`);
  const open = address.network.startsWith('udp') ? openUdp : openTcp;
  const fd = open(config, target, own);
  return { ...NOTHING, fd, inode: inodeOf(fd), address: localAddress(fd), target };
}

/** The properties that a shared TCP or UDP listener does not have. */
export const NOTHING = { passed: null, target: null, file: null, name: null, lanes: null } as const;

/**
 * Binds a listener that all generations share. Its path is kept, and it may be a passed socket. Throws ListenerError.
 */
export function bindShared(
  config: ListenerConfig,
  target: InetTarget | null,
  options: BindOptions,
): BoundListener {
  if (config.address.kind === 'passed') {
    const { fd, inode, address: passed, bound: address } = options.passed.take(config, config.address.name);
    return { ...NOTHING, fd, inode, address, passed };
  }
  const bound = bindListener(config, target, options.own);
  if (bound.file === null) return bound;
  try {
    return { ...bound, name: new KeptName(config, bound.file, options) };
  } catch (error) {
    closeListener(bound);
    throw error;
  }
}

/** Faults that services caused to the listener's sockets or path since the last call. See Lanes.faults(). */
export function faultsOf({ lanes, name }: BoundListener, foreign: ForeignListeners): LaneFault[] {
  return lanes?.faults(foreign) ?? name?.faults() ?? [];
}

/**
 * Closes the socket. Removes its path only if the path still leads to this socket. A passed socket stays open
 * elsewhere.
 */
export function closeListener(bound: BoundListener): void {
  if (bound.passed === null) {
    // The keeper holds the sockets until its list is renewed. Nobody would accept connections that arrive until then.
    for (const { fd } of socketsOf(bound)) if (fd !== null) stopListening(fd);
  }
  if (bound.lanes !== null) {
    bound.lanes.close();
    return;
  }
  bound.name?.close();
  if (bound.file !== null) unlinkIfOurs(bound.file);
  closeFd(bound.fd);
}

/** Changes the changeable settings of a listening socket from one config to another. Throws ListenerError. */
export function changeListener(
  bound: BoundListener,
  from: ListenerConfig,
  to: ListenerConfig,
  own: OwnSockets,
): void {
  const permissionsChanged = from.mode !== to.mode || from.owner !== to.owner || from.group !== to.group;
  try {
    // A lane gets defer_accept when its worker is ready.
    const without = bound.lanes === null ? [] : (['defer_accept'] as const);
    for (const { fd } of socketsOf(bound)) if (fd !== null) changeLiveOptions(fd, from, to, without);
    if (from.backlog !== to.backlog) listenAgain(socketsOf(bound), bound, to, own);
    bound.lanes?.configure(to);
    if (bound.file !== null && permissionsChanged) applyPermissions(to, bound.file, permissionsOf(to));
  } catch (error) {
    throw explainFailure(to, error, bound.address, own);
  }
}

/** Every socket of the listener. */
export function socketsOf(bound: BoundListener): readonly LaneSocket[] {
  return bound.lanes?.sockets ?? [bound];
}

/**
 * Makes lanes listen again with the configured backlog and TCP_DEFER_ACCEPT. Without lanes, does so for the listener's
 * socket. Throws ListenerError.
 */
export function restoreListening(
  bound: BoundListener,
  lanes: readonly number[],
  config: ListenerConfig,
  own: OwnSockets,
): void {
  const all = socketsOf(bound);
  const sockets = bound.lanes === null ? all : lanes.flatMap((lane) => all[lane] ?? []);
  listenAgain(sockets, bound, config, own);
  if (bound.lanes === null || bound.target === null) return;
  for (const { fd } of sockets) if (fd !== null) deferAccept(fd, config);
}

/** Calls listen(2) again, which only changes the backlog. Datagram sockets have none. Throws ListenerError. */
function listenAgain(
  sockets: readonly LaneSocket[],
  bound: BoundListener,
  config: ListenerConfig,
  own: OwnSockets,
): void {
  if (!isStreamNetwork((bound.passed ?? config.address).network)) return;
  try {
    for (const { fd } of sockets) if (fd !== null) listenSocket(fd, config.backlog);
  } catch (error) {
    throw explainFailure(config, error, bound.address, own);
  }
}

/** The config of a passed socket gets the address that the socket is bound to. */
export function asBound(
  config: ListenerConfig,
  { passed }: BoundListener,
): ListenerConfig & { readonly address: Address } {
  const address = passed ?? config.address;
  if (address.kind === 'passed') throw new TypeError(`${address.text} was not taken`);
  return { ...config, address };
}
