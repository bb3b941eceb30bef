import {
  CONNECTION_STATES,
  dumpTcp,
  findTcpSocket,
  type InetAddress,
  type PortRange,
  stateMask,
  type TcpConnection,
  type TcpSocket,
  type TcpState,
} from './inet-diag.ts';
import { AF_INET } from './sockaddr.ts';
import { withSpare } from './spare.ts';

export {
  hasBindAddressNoPort,
  type InetAddress,
  type Intake,
  intakesOn,
  type PortRange,
  type TcpConnection,
  type TcpSocket,
  type TcpState,
} from './inet-diag.ts';
export { holderOf } from './socket-holder.ts';
export { isBoundTo, unixSocket, unixSocketsAt } from './unix-diag.ts';

/** A socket that listens on a TCP port. */
export interface TcpListener {
  inode: number;
  uid: number;
  address: InetAddress;
}

/** The sockets that listen on a TCP port, on any address of IPv4 and IPv6. Throws SystemError. */
export function listenersOn(port: number): TcpListener[] {
  return listenSockets(port).map(({ inode, uid, local }) => ({ inode, uid, address: local }));
}

/**
 * The sockets that listen on a TCP port of a range, without known ones. Nearly all of many sockets are known, so only
 * the others are decoded. Throws SystemError.
 */
export function foreignListeners(isKnown: (inode: number) => boolean, ports: PortRange): TcpListener[] {
  const options = { leftOut: isKnown, ports };
  const sockets = withSpare(() => [...dumpTcp(0, stateMask('LISTEN'), options)].flat());
  return sockets.map(({ inode, uid, local }) => ({ inode, uid, address: local }));
}

/**
 * Number of connections that wait to be accepted from a listening TCP socket; 0 if the socket does not exist. Throws
 * SystemError.
 */
export function listenQueue(port: number, inode: number): number {
  return listenSockets(port).find((socket) => socket.inode === inode)?.rqueue ?? 0;
}

/** The sockets that listen on any TCP port of this network namespace. Throws SystemError. */
export function allListeners(): TcpListener[] {
  // Port 0 does not restrict the dump (inet_diag_dump_icsk, net/ipv4/inet_diag.c).
  return listenersOn(0);
}

/** The same in slices of well under a millisecond each. Throws SystemError. */
export function* listenerSlices(): Generator<TcpListener[], void, void> {
  for (const sockets of dumpTcp(0, stateMask('LISTEN')))
    yield sockets.map(({ inode, uid, local }) => ({ inode, uid, address: local }));
}

function listenSockets(port: number): TcpSocket[] {
  return withSpare(() => [...dumpTcp(port, stateMask('LISTEN'))].flat());
}

/**
 * The connection between exactly these addresses, seen from `local`'s end, by a lookup of microseconds; null if there
 * is none. Inode 0: not accepted yet, or its file is closed. Throws SystemError.
 */
export function tcpSocket(local: InetAddress, remote: InetAddress): TcpSocket | null {
  return findTcpSocket(local, remote);
}

/**
 * The connections on a local TCP port, in slices of well under a millisecond each, so that a caller can yield to other
 * work in between. Connections that come or go meanwhile may be missing or duplicated. Throws SystemError.
 */
export function tcpConnectionsOn(
  port: number,
  states: readonly TcpState[] = CONNECTION_STATES,
): Generator<TcpConnection[], void, void> {
  return dumpTcp(port, stateMask(...states), { withInfo: true });
}

/**
 * Whether this kernel reports TCP sockets (CONFIG_INET_DIAG, and a namespace that can load it). One handler answers for
 * both families (inet_diag_register, net/ipv4/inet_diag.c).
 */
export function canDiagnoseTcp(): boolean {
  try {
    withSpare(() => [...dumpTcp(1, stateMask('LISTEN'), { families: [AF_INET] })]);
    return true;
  } catch {
    return false;
  }
}
