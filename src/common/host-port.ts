import { isIPv6 } from 'node:net';

/** A place to connect to. */
export interface HostPort {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Parses `host:port` or `[ipv6]:port` with a port from 1; null for anything else. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (port < 1 || port > 65535) return null;
  if (bracketed !== undefined && !isIPv6(bracketed)) return null;
  return { host: (bracketed ?? plain ?? '').toLowerCase(), port };
}

/** A host as written before a port: `localhost`, `[::1]`. */
export function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `localhost:8125`, `[::1]:8125`. */
export function formatHostPort({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number | string;
}): string {
  return `${hostText(host)}:${port}`;
}

/** The longest path of a Unix socket, in bytes: an address holds 108 bytes, the last of them NUL (unix(7)). */
export const MAX_SOCKET_PATH = 107;

/** Whether sockets of a network accept connections: TCP and Unix streams. */
export function isStreamNetwork(network: string): boolean {
  return network.startsWith('tcp') || network === 'unix';
}
