import { promisify } from 'node:util';
import { errorCode } from '../../common/errors.ts';
import { isLocalhost, parseInet4, unmapped } from '../../common/inet.ts';
import type { InetAddress } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { closeFd, openSocket } from '../../linux/sockets.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/** The address that a TCP or UDP listener binds. */
export interface InetTarget {
  readonly address: Extract<SocketAddress, { family: 'inet' | 'inet6' }>;
  /** IPV6_V6ONLY for an inet6 address. With false, IPv4 clients can connect, too. */
  readonly ipv6Only: boolean;
}

/** Host name -> its addresses in the resolver's order; rejects with a `code` such as ENOTFOUND. */
export type Lookup = (host: string) => Promise<readonly { address: string; family: number }[]>;

/**
 * Resolves the socket address of a TCP or UDP listener. It is chosen as Go's net.Listen does (src/net/ipsock_posix.go,
 * favoriteAddrFamily):
 * - No host (0.0.0.0 and :: mean the same): every address of both families, on one dual-stack socket where the machine
 *   has IPv6.
 * - `tcp4` and `tcp6` force the family.
 * - localhost is 127.0.0.1, or ::1 where the family is forced to IPv6.
 * - Any other host name is its first IPv4 address, else its first IPv6 address.
 *
 * The option ipv6_only overrides the resulting IPV6_V6ONLY. Rejects with ListenerError.
 */
export async function resolveTarget(
  config: ListenerConfig,
  address: InetAddress,
  lookup: Lookup = lookupHost,
): Promise<InetTarget> {
  const target = literalTarget(config, address) ?? (await namedTarget(config, address, lookup));
  if (target.address.family === 'inet' && config.options.ipv6_only === true) {
    throw refusal(config, 'ipv6_only needs an IPv6 address. Write [::] for all addresses');
  }
  return target;
}

/** node:dns reads resolv.conf on load. Numeric addresses do not have to wait for that. */
async function lookupHost(host: string): ReturnType<Lookup> {
  const { lookup } = await import('node:dns');
  return promisify(lookup)(host, { all: true, verbatim: true });
}

function literalTarget(config: ListenerConfig, address: InetAddress): InetTarget | null {
  const { host, port, network } = address;
  const force = forcedFamily(network);
  if (host === '') return wildcardTarget(config, address, force);
  if (isLocalhost(host))
    return force === 'inet6' ? inet6(config, network, '::1', port) : inet('127.0.0.1', port);
  const ipv4 = parseInet4(host) ? host : unmapped(host);
  if (ipv4 !== null) {
    if (force === 'inet6') throw refusal(config, `${host} is not an IPv6 address`);
    return inet(ipv4, port);
  }
  // A host with a colon is an IPv6 address, because no host name contains one.
  if (!host.includes(':')) return null;
  if (force === 'inet') throw refusal(config, `${host} is not an IPv4 address`);
  return inet6(config, network, host, port);
}

function wildcardTarget(
  config: ListenerConfig,
  { network, port }: InetAddress,
  force: 'inet' | 'inet6' | null,
): InetTarget {
  if (force === 'inet') return inet('0.0.0.0', port);
  const ipv6 = force === 'inet6' || config.options.ipv6_only === true || hasIpv6();
  return ipv6 ? inet6(config, network, '::', port) : inet('0.0.0.0', port);
}

async function namedTarget(
  config: ListenerConfig,
  address: InetAddress,
  lookup: Lookup,
): Promise<InetTarget> {
  const { host, port, network } = address;
  const found = await lookup(host).catch((error: unknown) => {
    const why = `${errorCode(error) ?? 'failed'}: the host name does not resolve. Check the name, /etc/hosts and DNS`;
    throw new ListenerError(config.name, `resolve ${nameAddress(config)}: ${why}`, error);
  });
  const force = forcedFamily(network);
  const ipv4 = found.find((entry) => entry.family === 4);
  if (ipv4 !== undefined && force !== 'inet6') return inet(ipv4.address, port);
  const ipv6 = found.find((entry) => entry.family === 6);
  if (ipv6 !== undefined && force !== 'inet') return inet6(config, network, ipv6.address, port);
  const wanted = force === 'inet' ? 'IPv4 ' : force === 'inet6' ? 'IPv6 ' : '';
  throw refusal(config, `the host name has no ${wanted}address`);
}

function forcedFamily(network: InetAddress['network']): 'inet' | 'inet6' | null {
  if (network.endsWith('4')) return 'inet';
  return network.endsWith('6') ? 'inet6' : null;
}

function inet(host: string, port: number): InetTarget {
  return { address: { family: 'inet', host, port }, ipv6Only: false };
}

/** A `%zone` stays in the host. The address encoder converts it to the scope id. */
function inet6(
  config: ListenerConfig,
  network: InetAddress['network'],
  host: string,
  port: number,
): InetTarget {
  const ipv6Only = config.options.ipv6_only ?? forcedFamily(network) === 'inet6';
  return { address: { family: 'inet6', host, port }, ipv6Only };
}

/** False where the kernel was started with ipv6.disable=1 or has no IPv6: socket(2) fails with EAFNOSUPPORT. */
function hasIpv6(): boolean {
  try {
    closeFd(openSocket('inet6', 'stream'));
    return true;
  } catch (error) {
    // bind reports any other failure.
    return errorCode(error) !== 'EAFNOSUPPORT';
  }
}

function refusal(config: ListenerConfig, why: string): ListenerError {
  return new ListenerError(config.name, `resolve ${nameAddress(config)}: ${why}`);
}
