import { isIPv4, isIPv6 } from 'node:net';
import { inet4Bytes, inet6Bytes } from '../../linux/sockaddr.ts';

/**
 * Source addresses with a common prefix: 32-bit words of the address as on the wire, one for IPv4 and four for IPv6.
 */
export interface SourceRange {
  readonly version: 4 | 6;
  /** Words without a bit in their mask are 0. */
  readonly words: readonly number[];
  readonly masks: readonly number[];
}

/**
 * Parses `127.77.0.1`, `10.0.0.0/8`, `2001:db8::/32`. An IPv4-mapped address (RFC 4291, section 2.5.5.2) becomes the
 * IPv4 address, because the packet has that one, on a dual-stack socket too. Throws RangeError.
 */
export function parseSourceRange(text: string): SourceRange {
  const [written = '', prefix] = text.split('/');
  const host = written.split('%')[0] ?? '';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  if (mapped !== undefined) return rangeOf(4, inet4Bytes(mapped), lengthOf(text, prefix, 128) - 96);
  if (isIPv4(host)) return rangeOf(4, inet4Bytes(host), lengthOf(text, prefix, 32));
  if (isIPv6(host)) return rangeOf(6, inet6Bytes(host), lengthOf(text, prefix, 128));
  throw new RangeError(`${text} is not an IP address`);
}

function lengthOf(text: string, prefix: string | undefined, most: number): number {
  if (prefix === undefined) return most;
  const length = Number(prefix);
  if (/^\d{1,3}$/.test(prefix) && length <= most) return length;
  throw new RangeError(`${text}: the prefix length must be 0 to ${most}`);
}

function rangeOf(version: 4 | 6, bytes: Buffer, length: number): SourceRange {
  if (length < 0) throw new RangeError('the prefix length of an IPv4-mapped address must be at least 96');
  const masks = Array.from({ length: bytes.length / 4 }, (_, index) => maskOf(length - index * 32));
  const words = masks.map((mask, index) => (bytes.readUInt32BE(index * 4) & mask) >>> 0);
  return { version, words, masks };
}

function maskOf(bits: number): number {
  if (bits >= 32) return 0xffffffff;
  return bits <= 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}
