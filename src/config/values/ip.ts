const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/** As net.isIPv4 has it. Its module and the expression for IPv6 take 5 ms to load, which a config without such an address need not pay. */
export function isIPv4(text: string): boolean {
  return IPV4.test(text);
}

/** Without brackets; a `%zone` may follow. */
export function isIPv6(text: string): boolean {
  return process.getBuiltinModule('node:net').isIPv6(text);
}

/** The shortest form of an IPv6 address without zone (RFC 5952). Throws for anything else. */
export function shortestIPv6(address: string): string {
  const { SocketAddress } = process.getBuiltinModule('node:net');
  return new SocketAddress({ address, family: 'ipv6' }).address;
}
