import type { ListenerConfig } from '../../config/index.ts';
import { formatAddress, type SocketAddress } from '../../linux/sockaddr.ts';
import type { InetTarget } from '../../listeners/binding/resolve.ts';
import { AdoptionError } from './permission.ts';
import type { HeldSocket } from './running-service.ts';

/** A listener of the config, and its address; null: a Unix socket. */
export interface WantedListener {
  readonly config: ListenerConfig;
  readonly target: InetTarget | null;
}

/** A socket with its option IPV6_V6ONLY. */
export type OfferedSocket = HeldSocket & { readonly ipv6Only: boolean };

export interface MatchedSocket<Socket extends OfferedSocket> {
  readonly config: ListenerConfig;
  readonly socket: Socket;
}

/**
 * Finds the socket of each listener. Throws AdoptionError for a listener without a socket and for a socket without a
 * listener: the next version of the service receives exactly the sockets of the listeners. Pure.
 * @param where the source of the listeners: the path of a config, or the command line
 */
export function matchListeners<Socket extends OfferedSocket>(
  wanted: readonly WantedListener[],
  offered: readonly Socket[],
  { pid, where }: { readonly pid: number; readonly where: string },
): MatchedSocket<Socket>[] {
  const found = wanted.map((listener) => ({
    listener,
    socket: offered.find((one) => isMeant(listener, one)),
  }));
  const problems = found.flatMap(({ listener, socket }) => (socket ? [] : [missing(listener, offered)]));
  const used = new Set(found.map(({ socket }) => socket));
  const unnamed = offered.filter((socket) => !used.has(socket));
  for (const socket of unnamed) {
    const text = addressText(socket);
    problems.push(
      `The process also listens on ${formatAddress(socket.address)}. Add the listener "- { name: ${nameFor(socket.address)}, address: '${text}' }". Without it the next version cannot listen there while this one runs.`,
    );
  }
  if (problems.length > 0)
    throw new AdoptionError(
      `cannot adopt process ${pid}: ${where} does not match its sockets. ${problems.join(' ')}`,
    );
  return found.flatMap(({ listener: { config }, socket }) => (socket ? [{ config, socket }] : []));
}

/** The bound address of a socket, as a config or --listen accepts it. */
export function addressText({ address, ipv6Only }: Pick<OfferedSocket, 'address' | 'ipv6Only'>): string {
  if (address.family === 'unix') return `unix:${address.path}`;
  const { family, host, port } = address;
  if (family === 'inet') return host === '0.0.0.0' ? `tcp4:0.0.0.0:${port}` : `${host}:${port}`;
  if (host !== '::') return formatAddress(address);
  return ipv6Only ? `tcp6:[::]:${port}` : `[::]:${port}`;
}

function isMeant({ config, target }: WantedListener, { address, ipv6Only }: OfferedSocket): boolean {
  if (address.family === 'unix')
    return config.address.kind === 'unix' && config.address.path === address.path;
  if (target === null || !config.address.network.startsWith('tcp')) return false;
  const { family, host, port } = target.address;
  const isSame = family === address.family && host === address.host && port === address.port;
  // The option has no effect on a specific IPv6 address.
  return isSame && (host !== '::' || target.ipv6Only === ipv6Only);
}

function missing({ config, target }: WantedListener, offered: readonly OfferedSocket[]): string {
  const { name, address } = config;
  if (address.network.startsWith('udp') || address.network === 'unixgram')
    return `Listener ${name} (${address.text}) cannot be adopted: zero adopts only TCP and Unix stream sockets.`;
  const port = target?.address.port;
  const near = offered.find(({ address: other }) => other.family !== 'unix' && other.port === port);
  const wanted = target === null ? address.text : targetText(target);
  const hint = near
    ? ` On this port it listens on ${formatAddress(near.address)}: write address: '${addressText(near)}'.`
    : '';
  return `The process does not listen on ${wanted}, the address of listener ${name}.${hint}`;
}

function targetText({ address, ipv6Only }: InetTarget): string {
  const kind = address.host !== '::' ? '' : ipv6Only ? ' (IPv6 only)' : ' (IPv4 and IPv6)';
  return `${formatAddress(address)}${kind}`;
}

function nameFor(address: SocketAddress): string {
  return address.family === 'unix' ? 'socket' : `port${address.port}`;
}
