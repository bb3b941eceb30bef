import {
  foreignListeners,
  holderOf,
  listenersOn,
  type PortRange,
  type TcpListener,
} from '../../linux/sock_diag.ts';
import type { InetTarget } from '../binding/resolve.ts';
import type { ForeignSocket } from '../lanes/lanes.ts';
import { type ForeignListeners, isWildcard, type OwnSockets } from './holders.ts';

/** Advice for a service that opens sockets of its own on the address of a listener. */
export const REUSEPORT_ADVICE =
  'Configure the service to use only the descriptor (nginx: remove "reuseport" from "listen"; gunicorn: remove "--reuse-port")';

/** One dump for each call. Use this for a single port. */
export function foreignOnPort(own: OwnSockets): ForeignListeners {
  return (port) => listenersOn(port).filter(({ inode }) => own(inode) === null);
}

/**
 * One dump for all ports, made when the first port is asked for. Each dump walks the kernel's whole table, whatever the
 * port, so one dump per port would take quadratic time.
 * @param known returns zero's sockets at the time of the dump, and the range of their ports
 */
export function foreignOnAllPorts(known: () => { own: OwnSockets; ports: PortRange }): ForeignListeners {
  let byPort: Map<number, TcpListener[]> | null = null;
  const dump = () => {
    const { own, ports } = known();
    return groupByPort(foreignListeners((inode) => own(inode) !== null, ports));
  };
  return (port) => {
    byPort ??= dump();
    return byPort.get(port) ?? [];
  };
}

function groupByPort(listeners: readonly TcpListener[]): Map<number, TcpListener[]> {
  const byPort = new Map<number, TcpListener[]>();
  for (const listener of listeners) {
    const { port } = listener.address;
    const others = byPort.get(port);
    if (others === undefined) byPort.set(port, [listener]);
    else others.push(listener);
  }
  return byPort;
}

/** Foreign sockets that listen on the address, or on one that shares connections with it. Throws SystemError. */
export function foreignTcpSockets(target: InetTarget, foreign: ForeignListeners): TcpListener[] {
  return foreign(target.address.port).filter(({ address }) => meets(target, address));
}

/**
 * Number of foreign sockets in the reuseport group. Only sockets of exactly the same address join it
 * (inet_reuseport_add_sock, inet_hashtables.c).
 */
export function countForeignSockets(target: InetTarget, foreign: ForeignListeners): number {
  return foreignTcpSockets(target, foreign).filter(({ address }) => isSameAddress(target, address)).length;
}

/** Adds the process that holds each socket, found by a search through /proc. */
export function nameForeignSockets(
  sockets: readonly { inode: number; uid: number | null }[],
): ForeignSocket[] {
  return sockets.map(({ inode, uid }) => ({ inode, uid, holder: holderOf(inode) }));
}

function isSameAddress({ address }: InetTarget, other: TcpListener['address']): boolean {
  return address.family === other.family && bare(address.host) === other.host;
}

/**
 * IPv4 clients of a dual-stack listener reach an IPv4 socket on the same port if there is one (compute_score in
 * inet_hashtables.c). An IPv6 socket takes no connections from an IPv4 listener.
 */
function meets(target: InetTarget, other: TcpListener['address']): boolean {
  const { address, ipv6Only } = target;
  if (address.family !== other.family)
    return address.family === 'inet6' && address.host === '::' && !ipv6Only;
  return isSameAddress(target, other) || isWildcard(address.host) || isWildcard(other.host);
}

function bare(host: string): string {
  return host.split('%')[0] ?? '';
}
