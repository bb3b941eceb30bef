import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { formatHostPort } from '../../common/host-port.ts';

/** The address of a socket: an IP address (or a host name, where the text has one) with its port, or a Unix socket. */
export type Place =
  | { readonly family: 'ip'; readonly host: string; readonly port: number }
  /** `@name` is abstract. */
  | { readonly family: 'unix'; readonly path: string };

const EVERY_ADDRESS = new Set(['', '*', '0.0.0.0', '::']);
const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * The place that a call of `listen` asks for; null if the call names none, and for port 0, which is not an address yet.
 */
export function placeOf(wanted: {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
}): Place | null {
  if (wanted.path !== undefined) return { family: 'unix', path: unixPath(wanted.path) };
  if (!wanted.port) return null;
  return { family: 'ip', host: canonicalHost(wanted.host ?? ''), port: wanted.port };
}

/** `8080`, `127.0.0.1:81`, `[::1]:82`, `*:80`, `/path`, `@abstract`; null for anything else. */
export function parsePlace(text: string): Place | null {
  if (/^[/@.\0]/.test(text)) return { family: 'unix', path: unixPath(text) };
  const [, inner, plain, port] = /^(?:(?:\[([^\]]*)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) return null;
  return { family: 'ip', host: canonicalHost(inner ?? plain ?? ''), port: Number(port) };
}

/** The inverse of `parsePlace`. */
export function formatPlace(place: Place): string {
  if (place.family === 'unix') return place.path;
  return formatHostPort({ host: place.host || '*', port: place.port });
}

/**
 * How well a socket at `actual` matches `wanted`; 0: not at all. A caller that wants every address, or a host name that
 * only a resolver knows, matches any socket with that port. A caller that wants one address matches a socket at exactly
 * this address, otherwise one at every address.
 */
export function fit(wanted: Place, actual: Place): number {
  if (wanted.family === 'unix') return actual.family === 'unix' && wanted.path === actual.path ? 4 : 0;
  if (actual.family === 'unix') return 0;
  if (wanted.port !== actual.port) return 0;
  if (wanted.host === actual.host) return 4;
  if (EVERY_ADDRESS.has(wanted.host)) return EVERY_ADDRESS.has(actual.host) ? 3 : 1;
  if (LOOPBACK.has(actual.host) && wanted.host === 'localhost') return 3;
  if (covers(actual.host, wanted.host)) return 2;
  return isIP(wanted.host) === 0 && wanted.host !== 'localhost' ? 1 : 0;
}

/**
 * Whether a socket at `actual` accepts clients on more addresses than `wanted`: on every address instead of one. A host
 * name counts as one address.
 */
export function isWider(wanted: Place, actual: Place): boolean {
  if (wanted.family === 'unix' || actual.family === 'unix') return false;
  return EVERY_ADDRESS.has(actual.host) && !EVERY_ADDRESS.has(wanted.host);
}

/** The IPv6 wildcard accepts IPv4 as well unless IPV6_V6ONLY is set (ipv6(7)), which this process cannot see. */
function covers(every: string, host: string): boolean {
  if (every === '0.0.0.0') return isIP(host) !== 6;
  return EVERY_ADDRESS.has(every);
}

/** The canonical form of an address: without zone, IPv6 as in URLs, IPv4-mapped IPv6 as IPv4, names in lower case. */
export function canonicalHost(text: string): string {
  const host = text.toLowerCase().replace(/%.*$/, '');
  if (isIP(host) !== 6) return host;
  const short = new URL(`http://[${host}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}

/** Makes the path absolute. Node writes abstract names with a leading NUL, tables with `@`. */
function unixPath(path: string): string {
  return path.startsWith('\0') || path.startsWith('@') ? `@${path.slice(1)}` : resolve(path);
}
