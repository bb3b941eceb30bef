import { networkInterfaces } from 'node:os';
import type { ListenerConfig } from '../../config/schema.ts';
import { kernelSetting } from '../../linux/procfs.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { bindSocket, closeFd, openSocket } from '../../linux/sockets.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

export type InetSocketAddress = Extract<SocketAddress, { family: 'inet' | 'inet6' }>;

/** The source and destination host of a probe of a listener, or why a probe is impossible. */
export type ProbeHost = { readonly host: InetSocketAddress } | { readonly impossible: string };

/**
 * The listener's own address, or the loopback address for a wildcard. A probe never leaves the machine. So an address
 * that this machine does not have (free_bind, transparent) cannot be probed. With bind_to_device, no local connection
 * reaches the listener, because local connections arrive on the device lo.
 */
export function probeHost(config: ListenerConfig, bound: InetSocketAddress): ProbeHost {
  const { bind_to_device: device } = config.options;
  if (device !== undefined && device !== 'lo') {
    return { impossible: `bind_to_device ${device}: no connection of this machine itself reaches it` };
  }
  const candidates = hostsOf(config, bound);
  const host = candidates.find(isLocal);
  return host === undefined
    ? { impossible: `this machine does not have the address ${bound.host}` }
    : { host };
}

/**
 * The source host of a probe and the listener's address that it connects to. Throws ListenerError where a probe is
 * impossible.
 */
export function probeTarget(
  config: ListenerConfig,
  found: ProbeHost,
  port: number,
): { readonly host: InetSocketAddress; readonly remote: InetSocketAddress } {
  if ('host' in found) return { host: found.host, remote: { ...found.host, port } };
  throw new ListenerError(config.name, `probe ${nameAddress(config)}: ${found.impossible}`);
}

function hostsOf(config: ListenerConfig, bound: InetSocketAddress): InetSocketAddress[] {
  const ipv4 = { family: 'inet', host: '127.0.0.1', port: 0 } as const;
  const ipv6 = { family: 'inet6', host: '::1', port: 0 } as const;
  if (bound.host === '0.0.0.0') return [ipv4];
  if (bound.host !== '::') return [{ ...bound, port: 0 }];
  const ipv6Only = config.options.ipv6_only ?? config.address.network.endsWith('6');
  // Containers may have an IPv6 stack without any IPv6 address, not even ::1.
  return ipv6Only ? [ipv6] : [ipv6, ipv4];
}

/** bind(2) accepts only local addresses, unless ip_nonlocal_bind is set (Documentation/networking/ip-sysctl.rst). */
function isLocal(address: InetSocketAddress): boolean {
  try {
    const fd = openSocket(address.family, 'stream');
    try {
      bindSocket(fd, address);
    } finally {
      closeFd(fd);
    }
  } catch {
    return false;
  }
  return !takesForeignAddresses(address.family) || isOfAnInterface(address.host);
}

function takesForeignAddresses(family: 'inet' | 'inet6'): boolean {
  const protocol = family === 'inet' ? 'ipv4' : 'ipv6';
  return (kernelSetting(`net.${protocol}.ip_nonlocal_bind`) ?? '0') !== '0';
}

function isOfAnInterface(host: string): boolean {
  const bare = host.split('%')[0];
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return bare?.startsWith('127.') === true || addresses.some(({ address }) => address === bare);
}
