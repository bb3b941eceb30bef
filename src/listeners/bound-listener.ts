import type { ListenerConfig } from '../config/schema.ts';
import type { SocketAddress } from '../linux/sockaddr.ts';
import { closeFd, inodeOf, listenSocket, localAddress } from '../linux/sockets.ts';
import { explainFailure } from './explain.ts';
import type { OwnSockets } from './holders.ts';
import { changeLiveOptions } from './options.ts';
import type { InetTarget } from './resolve.ts';
import { openTcp } from './tcp.ts';
import { openUdp } from './udp.ts';
import { openUnix } from './unix.ts';
import { applyPermissions, permissionsOf, type UnixFile, unlinkIfOurs } from './unix-file.ts';

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
    return { fd, inode: inodeOf(fd), address: localAddress(fd), target: null, file };
  }
  if (target === null) throw new TypeError(`${address.text} was not resolved`);
  const open = address.network.startsWith('udp') ? openUdp : openTcp;
  const fd = open(config, target, own);
  return { fd, inode: inodeOf(fd), address: localAddress(fd), target, file: null };
}

/** Closes the socket; its path goes only if it is still ours. */
export function closeListener(bound: BoundListener): void {
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
    changeLiveOptions(bound.fd, from, to);
    if (from.backlog !== to.backlog) listenAgain(bound, to, own);
    if (bound.file !== null && permissionsChanged) applyPermissions(to, bound.file, permissionsOf(to));
  } catch (error) {
    throw explainFailure(to, error, bound.address, own);
  }
}

/** listen(2) once more, which only changes the backlog. Datagram sockets have none. Throws ListenerError. */
export function listenAgain(bound: BoundListener, config: ListenerConfig, own: OwnSockets): void {
  if (!acceptsConnections(config)) return;
  try {
    listenSocket(bound.fd, config.backlog);
  } catch (error) {
    throw explainFailure(config, error, bound.address, own);
  }
}

function acceptsConnections(config: ListenerConfig): boolean {
  return config.address.network.startsWith('tcp') || config.address.network === 'unix';
}
