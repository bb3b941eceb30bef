import type { ListenerConfig } from '../config/schema.ts';
import type { SocketAddress } from '../linux/sockaddr.ts';
import { closeFd, inodeOf, listenSocket, localAddress } from '../linux/sockets.ts';
import { explainFailure } from './explain.ts';
import type { OwnSockets } from './holders.ts';
import { LaneGroup } from './lane-group.ts';
import type { LaneSocket, Lanes } from './lanes.ts';
import { changeLiveOptions } from './options.ts';
import type { InetTarget } from './resolve.ts';
import { mayBeShared } from './steerable.ts';
import { openTcp } from './tcp.ts';
import { CannotSteerError } from './tcp-lane.ts';
import { openUdp } from './udp.ts';
import { openUnix } from './unix.ts';
import { applyPermissions, permissionsOf, type UnixFile, unlinkIfOurs } from './unix-file.ts';
import { UnixLanes } from './unix-lanes.ts';

/** One listening descriptor, and what is known about it. */
export interface BoundListener {
  readonly fd: number;
  /** The socket's own inode, by which sock_diag and /proc/PID/fd know it. */
  readonly inode: number;
  /** As bound, with the port that the kernel chose. */
  readonly address: SocketAddress;
  /** What was asked of bind(2); null for a Unix socket. */
  readonly target: InetTarget | null;
  /** The name on the disk; null for TCP, UDP and abstract names. */
  readonly file: UnixFile | null;
  /** Its sockets where it is steered, `fd` is the first; null for a shared one. */
  readonly lanes: Lanes | null;
}

/** How a listener is bound that can have lanes. */
export interface LaneOptions {
  readonly own: OwnSockets;
  readonly warn: (message: string) => void;
  /** Something is there for `faults` to find. */
  readonly onFault: () => void;
}

/**
 * Binds the first lane; the address as a shared one where steering is left to zero and cannot be. `target` is null for a Unix address.
 * Throws ListenerError.
 */
export function bindSteered(
  config: ListenerConfig,
  target: InetTarget | null,
  { own, warn, onFault }: LaneOptions,
): BoundListener {
  const { address } = config;
  if (address.kind === 'unix') {
    const lanes = new UnixLanes(config, address, own, onFault);
    return steered(lanes, { family: 'unix', path: address.path }, null);
  }
  try {
    if (target === null) throw new TypeError(`${address.text} was not resolved`);
    const lanes = new LaneGroup(config, target, own);
    return steered(lanes, lanes.target.address, target);
  } catch (error) {
    if (!(error instanceof CannotSteerError && mayBeShared(config))) throw error;
    warn(`${error.message}: all generations share one socket`);
    return bindListener(config, target, own);
  }
}

function steered(lanes: Lanes, address: SocketAddress, target: InetTarget | null): BoundListener {
  const first = () => lanes.sockets[0] ?? { fd: -1, inode: 0 };
  return {
    // A lane that was shut down may have been replaced.
    get fd() {
      return first().fd;
    },
    get inode() {
      return first().inode;
    },
    address,
    target,
    file: null,
    lanes,
  };
}

/** Binds the address and listens, with every option of the config. `target` is null for a Unix address. Throws ListenerError. */
export function bindListener(
  config: ListenerConfig,
  target: InetTarget | null,
  own: OwnSockets,
): BoundListener {
  const { address } = config;
  if (address.kind === 'unix') {
    const { fd, file } = openUnix(config, address, own);
    return { fd, inode: inodeOf(fd), address: localAddress(fd), target: null, file, lanes: null };
  }
  if (target === null) throw new TypeError(`${address.text} was not resolved`);
  const open = address.network.startsWith('udp') ? openUdp : openTcp;
  const fd = open(config, target, own);
  return { fd, inode: inodeOf(fd), address: localAddress(fd), target, file: null, lanes: null };
}

/** Closes the socket; its path goes only if it is still ours. */
export function closeListener(bound: BoundListener): void {
  if (bound.lanes !== null) {
    bound.lanes.close();
    return;
  }
  if (bound.file !== null) unlinkIfOurs(bound.file);
  closeFd(bound.fd);
}

/** Brings what can be changed of a listening socket from one config to another. Throws ListenerError. */
export function changeListener(
  bound: BoundListener,
  from: ListenerConfig,
  to: ListenerConfig,
  own: OwnSockets,
): void {
  const permissionsChanged = from.mode !== to.mode || from.owner !== to.owner || from.group !== to.group;
  try {
    // What a lane defers is set when its worker is ready.
    const without = bound.lanes === null ? [] : (['defer_accept'] as const);
    for (const { fd } of socketsOf(bound)) changeLiveOptions(fd, from, to, without);
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

/** listen(2) once more, which only changes the backlog. Datagram sockets have none. Throws ListenerError. */
export function listenAgain(
  sockets: readonly LaneSocket[],
  bound: BoundListener,
  config: ListenerConfig,
  own: OwnSockets,
): void {
  if (!acceptsConnections(config)) return;
  try {
    for (const { fd } of sockets) listenSocket(fd, config.backlog);
  } catch (error) {
    throw explainFailure(config, error, bound.address, own);
  }
}

function acceptsConnections(config: ListenerConfig): boolean {
  return config.address.network.startsWith('tcp') || config.address.network === 'unix';
}
