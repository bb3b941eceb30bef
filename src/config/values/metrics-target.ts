import { formatHostPort, type HostPort, parseHostPort } from '../../common/host-port.ts';
import { type Parsed, quoted } from '../../common/text.ts';

/** Where statsd lines go. */
export type MetricsTarget =
  | ({ readonly network: 'udp' | 'tcp' } & HostPort)
  | { readonly network: 'unix' | 'file'; readonly path: string };

/** One target, or several with commas between. */
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
        problem: `${quoted(text)} is no metrics address: it begins with udp://, tcp://, unix:// or file://`,
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
