import { formatHostPort, type HostPort, parseHostPort } from '../../common/host-port.ts';
import type { Parsed } from '../../common/text.ts';

/** A proxy for metrics over TCP. `user` as a whole is a secret. */
export interface MetricsProxy extends HostPort {
  readonly protocol: 'http' | 'socks5';
  /** Name and password without percent-encoding; null if the URL has none. */
  readonly user: { readonly name: string; readonly password: string } | null;
}

/**
 * Parses `http://host:port` or `socks5://host:port`, with or without `name:password@` before the host.
 * `tcp://host:port` is an alias for a SOCKS5 proxy. No message quotes the text.
 */
export function parseProxy(text: string): Parsed<MetricsProxy> {
  const match = /^(http|socks5|tcp):\/\/(?:([^@]*)@)?([^/]+)\/?$/.exec(text);
  const place = parseHostPort(match?.[3] ?? '');
  if (match === null || place === null)
    return { problem: 'is not a proxy: write http://host:port or socks5://host:port' };
  const [, protocol, credentials] = match;
  const user = credentials === undefined ? null : parseUser(credentials);
  if (user === undefined) return { problem: 'has a user or password with a wrong %XX in it' };
  return { value: { protocol: protocol === 'http' ? 'http' : 'socks5', ...place, user } };
}

function parseUser(credentials: string): MetricsProxy['user'] | undefined {
  const [name = '', ...rest] = credentials.split(':');
  try {
    return { name: decodeURIComponent(name), password: decodeURIComponent(rest.join(':')) };
  } catch {
    return undefined;
  }
}

export function formatProxy(proxy: MetricsProxy): string {
  const user = proxy.user === null ? '' : `${formatUser(proxy.user)}@`;
  return `${proxy.protocol}://${user}${formatHostPort(proxy)}`;
}

function formatUser({ name, password }: { readonly name: string; readonly password: string }): string {
  return password === ''
    ? encodeURIComponent(name)
    : `${encodeURIComponent(name)}:${encodeURIComponent(password)}`;
}
