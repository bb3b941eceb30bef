import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { formatInet6, parseInet4, parseInet6 } from '../common/inet.ts';
import { errnoNumber, SystemError } from './errors.ts';

/**
 * A socket's address. `host` is numeric; '' means every address of the family. `scopeId` is the interface index of a
 * link-local address. A Unix `path` of '@name' is an abstract name, '' an unnamed socket.
 */
export type SocketAddress =
  | { family: 'inet' | 'inet6'; host: string; port: number; scopeId?: number }
  | { family: 'unix'; path: string };

export type SocketFamily = SocketAddress['family'];

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** sizeof(struct sockaddr_un) is 110, the largest of the three. */
export const SOCKADDR_CAPACITY = 128;
const UNIX_PATH_CAPACITY = 108;

if (endianness() !== 'LE') throw new Error('only little-endian machines (x64, arm64) are supported');

/**
 * The bytes of a struct sockaddr_in, sockaddr_in6 or sockaddr_un (ip(7), ipv6(7), unix(7)). Throws RangeError for an
 * invalid host or port, SystemError ENAMETOOLONG for a Unix path above 107 bytes.
 */
export function encodeAddress(address: SocketAddress): Buffer {
  if (address.family === 'unix') return encodeUnix(address.path);
  if (!Number.isInteger(address.port) || address.port < 0 || address.port > 65535) {
    throw new RangeError(`not a port number: ${address.port}`);
  }
  if (address.family === 'inet') {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(address.port, 2);
    bytes.set(inet4Bytes(address.host), 4);
    return bytes;
  }
  const [host = '', zone] = address.host.split('%');
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(address.port, 2);
  bytes.set(inet6Bytes(host), 8);
  bytes.writeUInt32LE(address.scopeId ?? (zone === undefined ? 0 : interfaceIndex(zone)), 24);
  return bytes;
}

/** The address in `length` bytes of a struct sockaddr. Throws RangeError for any other family. */
export function decodeAddress(bytes: Buffer, length: number): SocketAddress {
  const family = bytes.readUInt16LE(0);
  if (family === AF_UNIX) return { family: 'unix', path: decodeUnixPath(bytes.subarray(2, length)) };
  if (family === AF_INET) {
    return { family: 'inet', host: bytes.subarray(4, 8).join('.'), port: bytes.readUInt16BE(2) };
  }
  if (family === AF_INET6) {
    const scopeId = bytes.readUInt32LE(24);
    const host = formatInet6(bytes.subarray(8, 24));
    const port = bytes.readUInt16BE(2);
    return scopeId === 0 ? { family: 'inet6', host, port } : { family: 'inet6', host, port, scopeId };
  }
  throw new RangeError(`address family ${family} is neither IPv4, IPv6 nor Unix`);
}

/** `127.0.0.1:80`, `[::1]:80`, `[fe80::1%2]:80`, the Unix path, or `(unnamed)`. */
export function formatAddress(address: SocketAddress): string {
  if (address.family === 'unix') return address.path === '' ? '(unnamed)' : address.path;
  if (address.family === 'inet') return `${address.host === '' ? '0.0.0.0' : address.host}:${address.port}`;
  const scope = address.scopeId === undefined ? '' : `%${address.scopeId}`;
  return `[${address.host === '' ? '::' : address.host}${scope}]:${address.port}`;
}

/** The 4 bytes of an IPv4 address; '' is 0.0.0.0. Throws RangeError. */
export function inet4Bytes(host: string): Buffer {
  if (host === '') return Buffer.alloc(4);
  const bytes = parseInet4(host);
  if (bytes === null) throw new RangeError(`not an IPv4 address: ${host}`);
  return bytes;
}

/** The 16 bytes of an IPv6 address without zone; '' is ::. Throws RangeError. */
export function inet6Bytes(host: string): Buffer {
  return host === '' ? Buffer.alloc(16) : parseInet6(host);
}

// unix(7): a pathname ends with NUL. An abstract name starts with NUL, and the address length determines its end.
function encodeUnix(path: string): Buffer {
  const abstract = path.startsWith('@');
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : path);
  const capacity = abstract ? UNIX_PATH_CAPACITY : UNIX_PATH_CAPACITY - 1;
  if (name.length > capacity) {
    throw new SystemError(
      'sockaddr_un',
      errnoNumber('ENAMETOOLONG'),
      `${path} (${name.length} bytes, at most 107)`,
    );
  }
  const bytes = Buffer.alloc(2 + name.length + (abstract || path === '' ? 0 : 1));
  bytes.writeUInt16LE(AF_UNIX, 0);
  name.copy(bytes, 2);
  return bytes;
}

/** The path in sun_path: up to its NUL, or '@name' for an abstract one. */
export function decodeUnixPath(name: Buffer): string {
  if (name.length === 0) return '';
  if (name[0] === 0) return `@${name.toString('utf8', 1)}`;
  const end = name.indexOf(0);
  return name.toString('utf8', 0, end === -1 ? name.length : end);
}

function interfaceIndex(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  try {
    if (zone.includes('/')) throw new Error('not an interface name');
    return Number(readFileSync(`/sys/class/net/${zone}/ifindex`, 'latin1'));
  } catch {
    throw new SystemError('sockaddr_in6', errnoNumber('ENODEV'), `interface ${zone}`);
  }
}
