import { formatHostPort, type HostPort, MAX_SOCKET_PATH, parseHostPort } from '../../common/host-port.ts';
import { type Parsed, quoted } from '../../common/text.ts';
import { type Address, parseAddress } from '../address.ts';

/** The destination of statsd lines. */
export type MetricsTarget =
  | ({ readonly network: 'udp' | 'tcp' } & HostPort)
  | { readonly network: 'unix' | 'file'; readonly path: string };

/** Parses one target, or several separated by commas. */
export function parseTargets(text: string): Parsed<readonly MetricsTarget[]> {
  const targets: MetricsTarget[] = [];
  for (const part of text.split(',')) {
    const parsed = parseTarget(part.trim());
    if ('problem' in parsed) return parsed;
    targets.push(parsed.value);
  }
  return { value: targets };
}

function parseTarget(text: string): Parsed<MetricsTarget> {
  if (text === '') return { problem: 'has an empty address: write udp://host:port' };
  const [, network, rest = ''] = /^(udp|tcp|unix|file):\/\/(.*)$/s.exec(text) ?? [];
  switch (network) {
    case 'udp':
    case 'tcp': {
      const place = parseHostPort(rest);
      if (place === null)
        return { problem: `${quoted(text)} needs a host and a port: write ${network}://localhost:8125` };
      return { value: { network, ...place } };
    }
    case 'unix':
    case 'file':
      if (rest === '' || rest.includes('\0'))
        return { problem: `${quoted(text)} has no path: write ${network}:///path` };
      return { value: { network, path: rest } };
    default:
      return {
        problem: `${quoted(text)} is not a metrics address: it must begin with udp://, tcp://, unix:// or file://`,
      };
  }
}

export function formatTargets(targets: readonly MetricsTarget[]): string {
  return targets.map(formatTarget).join(',');
}

function formatTarget(target: MetricsTarget): string {
  return 'path' in target
    ? `${target.network}://${target.path}`
    : `${target.network}://${formatHostPort(target)}`;
}

/**
 * Parses the address of the admin endpoint: the address of a TCP or Unix listener, or a port alone, which means
 * localhost.
 */
export function parseAdminAddress(text: string): Parsed<Address> {
  const parsed = parseAddress(/^\d+$/.test(text) ? `localhost:${text}` : text);
  if ('problem' in parsed) return parsed;
  const { network } = parsed.value;
  if (network.startsWith('tcp') || network === 'unix') return parsed;
  return { problem: `${quoted(text)} is not an HTTP address: write host:port or unix:/path` };
}

/** Parses a path that a Unix socket can be bound to. */
export function parseSocketPath(text: string): Parsed<string> {
  if (text === '') return { problem: 'is empty: write a path' };
  if (text.includes('\0')) return { problem: 'has a NUL character' };
  if (text.startsWith('@'))
    return { problem: `${quoted(text)} is abstract, and any process may use such a name` };
  if (text.endsWith('/'))
    return { problem: `${quoted(text)} is a directory: write the path of the socket in it` };
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_SOCKET_PATH) return { value: text };
  return {
    problem: `${quoted(text)} has ${bytes} bytes: the path of a Unix socket can have ${MAX_SOCKET_PATH}`,
  };
}

/** Parses a Sentry DSN, `https://KEY@host/PROJECT`. No message quotes it, because the key is a secret. */
export function parseSentryDsn(text: string): Parsed<string> {
  const problem = 'is not a Sentry DSN: copy it from the project settings, https://KEY@host/PROJECT';
  if (!URL.canParse(text)) return { problem };
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username === '' || !/\/\d+$/.test(url.pathname))
    return { problem };
  return { value: text };
}
