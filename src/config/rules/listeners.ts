import { isLocalhost, unmapped } from '../../common/inet.ts';
import { quoted } from '../../common/text.ts';
import { type Address, isStream, type ListenerAddress } from '../address.ts';
import { duplicates, type Finding, type Path, wrongKey, wrongValue } from '../path.ts';
import type { ListenerConfig } from '../schema.ts';
import type { ConfigParts, Parts } from '../valid-parts.ts';

type ListenerParts = Parts<ListenerConfig>;
type OptionName = keyof ListenerConfig['options'];

const TCP_ONLY: readonly OptionName[] = ['defer_accept', 'fast_open'];
const NETWORK_ONLY: readonly OptionName[] = ['free_bind', 'transparent', 'mark', 'bind_to_device'];
const FILE_KEYS = ['mode', 'owner', 'group'] as const;

/** Names, addresses and descriptors must be unique, and options must exist in the kernel. */
export function listenerRules(config: ConfigParts, given: (path: Path) => boolean): Finding[] {
  const listeners = config.service?.listeners ?? [];
  const each = <T>(key: string, value: (listener: ListenerParts) => T | undefined) =>
    listeners.map((listener, index) => ({
      path: ['service', 'listeners', index, key],
      value: listener === undefined ? undefined : value(listener),
    }));
  return [
    ...duplicates(
      each('name', ({ name }) => name),
      (name, first) => `duplicate name ${quoted(name)}: ${first} has it too`,
    ),
    ...duplicates(
      each('address', ({ address }) => (address === undefined ? undefined : identity(address))),
      (address, first) => `duplicate address ${quoted(address)}: ${first} has it too`,
    ),
    ...duplicates(
      [
        ...each('socket_fd', ({ socket_fd }) => socket_fd),
        { path: ['service', 'readiness', 'ready_fd'], value: config.service?.readiness?.ready_fd },
      ],
      (fd, first) => `duplicate descriptor ${fd}: ${first} has it too`,
    ),
    ...each('socket_fd', ({ socket_fd }) => socket_fd).flatMap(({ path, value }) =>
      descriptorRules(path, value, listeners.length),
    ),
    ...listeners.flatMap((listener, index) =>
      listener?.address === undefined
        ? []
        : rulesOf(listener, listener.address, ['service', 'listeners', index], given),
    ),
  ];
}

/** Standard input can be one socket, as inetd(8) passes it. zero reads standard output and error. */
function descriptorRules(path: Path, fd: number | undefined, listeners: number): Finding[] {
  if (fd === 1 || fd === 2)
    return [wrongValue(path, `cannot be ${fd}: zero reads the output of the service there. Use 3 or more`)];
  if (fd !== 0 || listeners === 1) return [];
  return [wrongValue(path, 'can be 0 only for a service with one listener. Use 3 or more')];
}

/**
 * A text that is equal for addresses that bind(2) treats as one; undefined for port 0, which is a new port every time.
 */
function identity(address: ListenerAddress): string | undefined {
  if (address.kind === 'passed') return address.text;
  if (address.kind === 'unix') return `unix:${address.path}`;
  const { host, port, network, text } = address;
  if (port === 0) return undefined;
  // The same address as in listeners/binding/resolve.ts.
  const loopback = network.endsWith('6') ? '[::1]' : '127.0.0.1';
  if (isLocalhost(host)) return `${network.slice(0, 3)}:${loopback}:${port}`;
  const ipv4 = unmapped(host);
  if (ipv4 !== null) return `${network.slice(0, 3)}:${ipv4}:${port}`;
  const literal = /^[\d.]+$|:/.test(host);
  return literal ? text.replace(/^(tcp|udp)[46]/, '$1') : text;
}

function rulesOf(
  listener: ListenerParts,
  address: ListenerAddress,
  path: Path,
  given: (path: Path) => boolean,
): Finding[] {
  return address.kind === 'passed'
    ? passedRules(listener, path)
    : optionRules(listener, address, path, given);
}

/** The socket exists before zero starts, so its unit defines its options. */
function passedRules(listener: ListenerParts, path: Path): Finding[] {
  const refuse = (where: Path) =>
    wrongKey(where, 'cannot be set for a socket that was passed to zero: set it in the .socket unit');
  const options = Object.entries(listener.options ?? {})
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name]) => refuse([...path, 'options', name]));
  const keys = FILE_KEYS.filter((key) => listener[key] !== undefined).map((key) => refuse([...path, key]));
  return [...keys, ...options];
}

function optionRules(
  listener: ListenerParts,
  address: Address,
  path: Path,
  given: (path: Path) => boolean,
): Finding[] {
  const options = [...path, 'options'];
  const refuse = (names: readonly OptionName[], reason: string) =>
    names
      .filter((name) => listener.options?.[name] !== undefined && listener.options[name] !== false)
      .map((name) => wrongKey([...options, name], reason));
  const findings: Finding[] = [];
  if (!isStream(address) && given([...path, 'backlog'])) {
    findings.push(wrongKey([...path, 'backlog'], `is for connections, and ${address.network} has none`));
  }
  if (!address.network.startsWith('tcp'))
    findings.push(...refuse(TCP_ONLY, `is for tcp, not for ${address.network}`));
  if (address.kind === 'unix') {
    findings.push(
      ...refuse(['ipv6_only', ...NETWORK_ONLY], `is for tcp and udp, not for ${address.network}`),
    );
  } else if (isIPv4Only(address.network, address.host)) {
    findings.push(...refuse(['ipv6_only'], `is for IPv6, and ${quoted(address.text)} is IPv4`));
  }
  if (address.kind === 'inet' || address.path.startsWith('@'))
    findings.push(...fileRules(listener, address, path));
  return findings;
}

/** A listener on localhost is bound to 127.0.0.1, unless its network is that of IPv6. */
function isIPv4Only(network: string, host: string): boolean {
  if (network.endsWith('4') || /^[\d.]+$/.test(host) || unmapped(host) !== null) return true;
  return !network.endsWith('6') && isLocalhost(host);
}

function fileRules(listener: ListenerParts, address: Address, path: Path): Finding[] {
  const what = address.kind === 'inet' ? address.network : 'an abstract address';
  return FILE_KEYS.filter((key) => listener[key] !== undefined).map((key) =>
    wrongKey([...path, key], `is for the file of a Unix socket, and ${what} has none`),
  );
}
