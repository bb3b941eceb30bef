import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { unmapped } from '../../common/inet.ts';
import { type Parsed, quoted } from '../../common/text.ts';

/**
 * Parses the source address of clients, or a network such as `10.0.0.0/8`, into its shortest form. An IPv4-mapped IPv6
 * address becomes the IPv4 address, because the packets contain that one (RFC 4291, 2.5.5.2).
 */
export function parseSourceAddress(text: string): Parsed<string> {
  const [host = '', prefix, ...more] = text.split('/');
  if (host.startsWith('[')) return { problem: `${quoted(text)}: leave the brackets out` };
  if (host.includes('%'))
    return { problem: `${quoted(text)}: leave out the zone ("%" and the text after it)` };
  const address = isIPv6(host) ? new SocketAddress({ address: host, family: 'ipv6' }).address : host;
  const mapped = unmapped(address);
  if (!isIPv4(address) && !isIPv6(address))
    return { problem: `${quoted(text)} is not an IPv4 or IPv6 address: write one such as 127.77.0.1` };
  if (prefix === undefined) return { value: mapped ?? address };
  const [least, most] = [mapped === null ? 0 : 96, isIPv4(address) ? 32 : 128];
  const length = /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (length < least || length > most || more.length > 0)
    return { problem: `${quoted(text)}: the part after the slash must be a number from ${least} to ${most}` };
  return { value: `${mapped ?? address}/${length - least}` };
}
