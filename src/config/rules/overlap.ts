import { unmapped } from '../../common/inet.ts';
import { quoted } from '../../common/text.ts';
import { isStream, overlaps } from '../address.ts';
import { type Finding, formatPath, wrongValue } from '../path.ts';
import type { ListenerConfig } from '../schema.ts';
import type { ConfigParts, Parts } from '../valid-parts.ts';

type ListenerParts = Parts<ListenerConfig>;
type Family = 4 | 6;

/**
 * Two listeners on one port, of which one covers every address of the other: bind(2) refuses the second one
 * (EADDRINUSE), because zero does not share ports. Equal addresses are reported as duplicates elsewhere. Host names can
 * be compared only after they are resolved.
 */
export function overlapRules({ service }: ConfigParts): Finding[] {
  const listeners = service?.listeners ?? [];
  return listeners.flatMap((listener, index) => {
    const first = listeners.findIndex((other, before) => before < index && clash(listener, other));
    const other = listeners[first]?.address;
    if (other === undefined || listener?.address === undefined) return [];
    const problem = `${quoted(listener.address.text)} overlaps with ${quoted(other.text)} at ${formatPath(['service', 'listeners', first])}: both would have the same address and port`;
    return [wrongValue(['service', 'listeners', index, 'address'], problem)];
  });
}

function clash(one: ListenerParts | undefined, other: ListenerParts | undefined): boolean {
  const [a, b] = [one?.address, other?.address];
  if (a?.kind !== 'inet' || b?.kind !== 'inet') return false;
  if (a.port !== b.port || a.port === 0 || isStream(a) !== isStream(b)) return false;
  // Sockets of different interfaces can share a port (SO_BINDTODEVICE, socket(7)).
  const [device, otherDevice] = [one?.options?.bind_to_device, other?.options?.bind_to_device];
  if (device !== undefined && otherDevice !== undefined && device !== otherDevice) return false;
  if (a.host !== '' && b.host !== '') return false;
  if (a.text === b.text) return false;
  // A socket of both families covers every address of a name.
  if (isName(a.host) || isName(b.host)) return familiesOf(a.host === '' ? one : other).length === 2;
  return shareFamily(one, other);
}

const isName = (host: string): boolean => host !== '' && !host.includes(':') && !/^[\d.]+$/.test(host);

function shareFamily(one: ListenerParts | undefined, other: ListenerParts | undefined): boolean {
  const theirs = familiesOf(other);
  return familiesOf(one).some((family) => theirs.includes(family));
}

/** The families of an address that is not a name. */
function familiesOf(listener: ListenerParts | undefined): readonly Family[] {
  const address = listener?.address;
  if (address?.kind !== 'inet') return [];
  const { host, network } = address;
  if (/^[\d.]+$/.test(host) || unmapped(host) !== null) return [4];
  if (host.includes(':')) return [6];
  if (network.endsWith('4')) return [4];
  return network.endsWith('6') || listener?.options?.ipv6_only === true ? [6] : [4, 6];
}

/** The admin endpoint needs an address of its own. */
export function adminRules({ application, service }: ConfigParts): Finding[] {
  const address = application?.admin?.address;
  if (address === undefined) return [];
  const index = (service?.listeners ?? []).findIndex(
    (listener) => listener?.address !== undefined && overlaps(listener.address, address),
  );
  if (index === -1) return [];
  const place = formatPath(['service', 'listeners', index]);
  const problem = `${quoted(address.text)} is ${place}, which belongs to the service: give it an address of its own`;
  return [wrongValue(['application', 'admin', 'address'], problem)];
}
