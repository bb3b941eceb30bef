import type { Stats } from 'node:fs';
import {
  allListeners,
  holderOf,
  listenersOn,
  type TcpListener,
  tcpConnectionsOn,
  unixSocketsAt,
} from '../../linux/sock_diag.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { udpSocketsOn } from './udp-table.ts';

type InetSocketAddress = Exclude<SocketAddress, { family: 'unix' }>;

/** Returns the name of the listener that owns a socket's inode. Null for a foreign socket. */
export type OwnSockets = (inode: number) => string | null;

/** The foreign sockets that listen on a TCP port. Throws SystemError. */
export type ForeignListeners = (port: number) => readonly TcpListener[];

/** A socket that is in the way. `uid` is null where the kernel does not report it. */
export interface Holder {
  readonly inode: number;
  readonly uid: number | null;
}

/** A socket that is bound to an address. */
export interface BoundSocket extends Holder {
  readonly protocol: 'tcp' | 'udp';
  readonly address: InetSocketAddress;
  /** The listener that owns the socket; a steered listener has several. Null for a foreign socket. */
  readonly listener: string | null;
}

/**
 * The TCP sockets that listen on a port and the UDP sockets that are bound to it. With null, the TCP sockets that
 * listen on any port. Throws SystemError, or the file system's error if /proc cannot be read.
 */
export function boundSockets(port: number | null, own: OwnSockets): BoundSocket[] {
  const tcp = port === null ? allListeners() : listenersOn(port);
  const udp = port === null ? [] : udpSocketsOn(port);
  const named = (
    protocol: BoundSocket['protocol'],
    sockets: readonly (Holder & { address: InetSocketAddress })[],
  ) => sockets.map(({ inode, uid, address }) => ({ protocol, inode, uid, address, listener: own(inode) }));
  return [...named('tcp', tcp), ...named('udp', udp)];
}

/**
 * The one of these sockets that blocks a bind to an address on their port. Null where there is none.
 * @param host host of the address; null: every address
 */
export function findHolder(sockets: readonly BoundSocket[], host: string | null): BoundSocket | null {
  const wanted = host === null ? '::' : host === 'localhost' ? '127.0.0.1' : host;
  const isNear = ({ address }: BoundSocket) =>
    address.host === wanted || isWildcard(address.host) || isWildcard(wanted);
  return sockets.find(({ address }) => address.host === wanted) ?? sockets.find(isNear) ?? null;
}

/** The socket that blocks a TCP or UDP bind to the address. Null if none is found. Never throws. */
export function portHolder(protocol: 'tcp' | 'udp', address: InetSocketAddress): Holder | null {
  try {
    const sockets = protocol === 'udp' ? udpSocketsOn(address.port) : tcpSocketsOn(address.port);
    return sockets.find((socket) => overlap(socket.address, address)) ?? sockets[0] ?? null;
  } catch {
    // This kernel or sandbox has no sock_diag(7). The failure of bind is reported without a process.
    return null;
  }
}

/** The socket that is bound to a file with these `stats`. Never throws. */
export function pathHolder(path: string, stats: Stats): Holder {
  return { inode: unixInode(path), uid: stats.uid };
}

/** The socket that is bound to an abstract name, '@name'. Never throws. */
export function nameHolder(name: string): Holder {
  return { inode: unixInode(name), uid: null };
}

/** The end of "the port is held ...": `by pid 123 (nginx: master process)`. */
export function describeHolder(holder: Holder | null, own: OwnSockets): string {
  if (holder === null) return 'by a socket that does not listen, or has been closed';
  const listener = own(holder.inode);
  if (listener !== null) {
    return `by zero's own listener ${listener}: an address that overlaps with one in use needs a restart`;
  }
  const found = holder.inode === 0 ? null : holderOf(holder.inode);
  if (found !== null) return `by pid ${found.pid} (${shortCommand(found.command)})`;
  return holder.uid === null
    ? 'by a process that this user may not inspect'
    : `by a process of uid ${holder.uid}`;
}

function tcpSocketsOn(port: number): (Holder & { address: InetSocketAddress })[] {
  const listening = listenersOn(port);
  if (listening.length > 0) return listening;
  // An outgoing connection blocks its port, too, if it was bound to it without SO_REUSEADDR.
  const connections = [...tcpConnectionsOn(port)].flat().filter((connection) => connection.inode !== 0);
  return connections.map(({ inode, uid, local }) => ({ inode, uid, address: local }));
}

/** Whether a new connection to one address could reach a socket that is bound to the other. */
export function overlap(one: InetSocketAddress, other: InetSocketAddress): boolean {
  return one.host === other.host || isWildcard(one.host) || isWildcard(other.host);
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function unixInode(path: string): number {
  try {
    return unixSocketsAt(path)[0]?.inode ?? 0;
  } catch {
    return 0;
  }
}

/** A command line may contain secrets, so it is cut at the first option. */
function shortCommand(command: string): string {
  const words = command.replace(/ -.*$/s, '').replace(/[^\x20-\x7e]/g, '?');
  return words.length > 60 ? `${words.slice(0, 57)}...` : words;
}
