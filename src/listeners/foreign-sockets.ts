import { holderOf, listenersOn, type TcpListener } from '../linux/sock_diag.ts';
import type { OwnSockets } from './holders.ts';
import type { ForeignSocket } from './lanes.ts';
import type { InetTarget } from './resolve.ts';

/** What to change in a service that opens sockets of its own on the address of a listener. */
export const REUSEPORT_ADVICE =
  'Configure the service to use only the descriptor (nginx: remove "reuseport" from "listen"; gunicorn: remove "--reuse-port")';

/** Sockets of others that listen on the address, or on one that shares connections with it. Throws SystemError. */
export function foreignTcpSockets(target: InetTarget, own: OwnSockets): TcpListener[] {
  return listenersOn(target.address.port).filter(
    (listener) => own(listener.inode) === null && meets(target, listener.address),
  );
}

/**
 * How many of them are in the reuseport group: only sockets of the very same address are (inet_reuseport_add_sock,
 * inet_hashtables.c).
 */
export function countForeignSockets(target: InetTarget, own: OwnSockets): number {
  return foreignTcpSockets(target, own).filter(({ address }) => isSameAddress(target, address)).length;
}

/** With the process that has each open, found by a look through /proc. */
export function nameForeignSockets(
  sockets: readonly { inode: number; uid: number | null }[],
): ForeignSocket[] {
  return sockets.map(({ inode, uid }) => ({ inode, uid, holder: holderOf(inode) }));
}

function isSameAddress({ address }: InetTarget, other: TcpListener['address']): boolean {
  return address.family === other.family && bare(address.host) === other.host;
}

/**
 * Of a dual-stack listener, IPv4 clients go to a socket of IPv4 on the same port if there is one (compute_score in
 * inet_hashtables.c); the other way round a socket of IPv6 takes nothing from one of IPv4.
 */
function meets(target: InetTarget, other: TcpListener['address']): boolean {
  const { address, ipv6Only } = target;
  if (address.family !== other.family)
    return address.family === 'inet6' && address.host === '::' && !ipv6Only;
  return isSameAddress(target, other) || isWildcard(address.host) || isWildcard(other.host);
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function bare(host: string): string {
  return host.split('%')[0] ?? '';
}
