import { readFileSync } from 'node:fs';
import type { SocketAddress } from '../../linux/sockaddr.ts';

/** A bound UDP socket. `host` is '' for a specific IPv6 address. */
export interface UdpSocket {
  readonly inode: number;
  readonly uid: number;
  readonly address: Exclude<SocketAddress, { family: 'unix' }>;
}

/** The UDP sockets bound to a port, from /proc/net/udp and udp6 (proc(5)). Throws where /proc is not readable. */
export function udpSocketsOn(port: number): UdpSocket[] {
  return [
    ...parse('inet', '0.0.0.0', readTable('udp'), port),
    ...parse('inet6', '::', readTable('udp6'), port),
  ];
}

function readTable(name: 'udp' | 'udp6'): string {
  try {
    return readFileSync(`/proc/net/${name}`, 'latin1');
  } catch (error) {
    // A kernel without IPv6 has no udp6.
    if (name === 'udp6') return '';
    throw error;
  }
}

/** Columns: sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode. Addresses are HEX:HEXPORT. */
function parse(family: 'inet' | 'inet6', wildcard: string, table: string, port: number): UdpSocket[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , , , , , uid, , inode] = line.trim().split(/\s+/);
    const [host = '', hexPort = ''] = local.split(':');
    if (Number.parseInt(hexPort, 16) !== port) return [];
    const address = { family, host: /^0+$/.test(host) ? wildcard : dotted(host), port };
    return [{ inode: Number(inode), uid: Number(uid), address }];
  });
}

/**
 * An IPv4 address is printed as one number in the machine's byte order, which is little-endian on every supported
 * platform.
 */
function dotted(hex: string): string {
  return hex.length === 8 ? Buffer.from(hex, 'hex').reverse().join('.') : '';
}
