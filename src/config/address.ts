import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { formatHostPort, isStreamNetwork, MAX_SOCKET_PATH } from '../common/host-port.ts';
import { type Parsed, quoted } from '../common/text.ts';

export type InetNetwork = 'tcp' | 'tcp4' | 'tcp6' | 'udp' | 'udp4' | 'udp6';
export type UnixNetwork = 'unix' | 'unixgram';

/** A TCP or UDP address. */
export interface InetAddress {
  readonly kind: 'inet';
  readonly network: InetNetwork;
  /**
   * A name, an IPv4 address, or an IPv6 address in its shortest form without brackets, with its `%zone`; '' is every
   * interface.
   */
  readonly host: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** Normalised, `tcp:127.0.0.1:80`. Equal addresses have equal texts. */
  readonly text: string;
}

/** A Unix stream or datagram address. */
export interface UnixAddress {
  readonly kind: 'unix';
  readonly network: UnixNetwork;
  /** As written, relative to zero's working directory; `@name` is abstract. */
  readonly path: string;
  readonly text: string;
}

export type Address = InetAddress | UnixAddress;

/** A socket that was passed to zero itself (socket activation). */
export interface PassedAddress {
  readonly kind: 'passed';
  readonly network: 'systemd';
  /** Its name in LISTEN_FDNAMES (sd_listen_fds_with_names(3)). */
  readonly name: string;
  /** `systemd:NAME` */
  readonly text: string;
}

export type ListenerAddress = Address | PassedAddress;

const NETWORKS = ['tcp', 'tcp4', 'tcp6', 'udp', 'udp4', 'udp6', 'unix', 'unixgram'] as const;
// Networks of other systems, which must not be mistaken for a host name.
const FOREIGN = /^(systemd|fd|https?|unixpacket|sctp|vsock|ip[46]?|ssl|tls)$/;

/** True if the listener accepts connections: TCP and Unix streams. */
export function isStream(address: Address): boolean {
  return isStreamNetwork(address.network);
}

/**
 * Whether a new connection to one address could reach the other: they have the same port, and their hosts are equal,
 * both local, or one is every address.
 */
export function overlaps(one: ListenerAddress, other: Address): boolean {
  // The address of a passed socket is known only when zero runs.
  if (one.kind === 'passed') return false;
  if (one.kind === 'unix' || other.kind === 'unix') return one.text === other.text;
  if (one.port !== other.port || one.port === 0 || isStream(one) !== isStream(other)) return false;
  return one.host === '' || other.host === '' || loopback(one.host) === loopback(other.host);
}

function loopback(host: string): string {
  return host === 'localhost' || host === '::1' || host.startsWith('127.') ? 'localhost' : host;
}

/**
 * Parses an address in the notation of Go's net.Listen: `localhost:80`, `:80`, `tcp6:[::1]:80`, `unix:/run/x.sock`,
 * `unix:@name`. Without a network it is tcp, and `tcp://host:port` is the same as `tcp:host:port`. Names are resolved
 * when the socket is bound.
 */
export function parseAddress(text: string): Parsed<Address> {
  if (text === '') return { problem: 'is empty: write an address such as localhost:8080' };
  const [, prefix = '', rest = ''] = /^([a-z][a-z0-9]*):(.*)$/is.exec(text) ?? [];
  const network = NETWORKS.find((name) => name === prefix.toLowerCase());
  if (network === 'unix' || network === 'unixgram') return unixAddress(network, rest);
  if (network !== undefined) return inetAddress(network, rest.replace(/^\/\//, ''), text);
  if (FOREIGN.test(prefix.toLowerCase()) && !/^\d+$/.test(rest)) {
    return {
      problem: `${quoted(text)} has the unknown network ${quoted(prefix)}: the networks are ${NETWORKS.join(', ')}`,
    };
  }
  if (text.startsWith('/') || text.startsWith('./') || text.startsWith('@')) {
    return { problem: `${quoted(text)} looks like a Unix socket: write ${quoted(`unix:${text}`)}` };
  }
  return inetAddress('tcp', text, text);
}

/** Parses the address of a listener: an address, or `systemd:NAME`. */
export function parseListenerAddress(text: string): Parsed<ListenerAddress> {
  const [, name] = /^systemd:(.*)$/is.exec(text) ?? [];
  if (name === undefined) return parseAddress(text);
  if (name === '')
    return {
      problem: `${quoted(text)} has no name: write systemd:NAME, with the FileDescriptorName= of the socket unit`,
    };
  // fdname_is_valid() of systemd: printable ASCII without a colon.
  if (!/^[!-9;-~]{1,255}$/.test(name))
    return {
      problem: `${quoted(name)} cannot be the name of a passed socket: printable ASCII without spaces and colons`,
    };
  return { value: { kind: 'passed', network: 'systemd', name, text: `systemd:${name}` } };
}

/** The address for a value of `--listen`: a port alone means that port on every interface. */
export function listenArgument(text: string): string {
  return /^\d+$/.test(text) ? `:${text}` : text;
}

function unixAddress(network: UnixNetwork, rest: string): Parsed<Address> {
  const path = rest.replace(/^\/\//, '');
  if (path === '' || path === '@') return { problem: `${quoted(`${network}:${rest}`)} has no path` };
  if (path.includes('\0')) return { problem: 'has a NUL character in its path' };
  if (path.endsWith('/'))
    return { problem: `${quoted(path)} is a directory: write the path of the socket in it` };
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH) {
    return {
      problem: `${quoted(path)} has ${bytes} bytes: the path of a Unix socket can have ${MAX_SOCKET_PATH}`,
    };
  }
  // Normalises the text only: the meaning of `..` depends on the symlinks in the file system.
  const normalised = path.startsWith('@') ? path : path.replace(/\/+(\.\/+)*/g, '/').replace(/^(\.\/)+/, '');
  return { value: { kind: 'unix', network, path: normalised, text: `${network}:${normalised}` } };
}

function inetAddress(network: InetNetwork, rest: string, text: string): Parsed<Address> {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(rest);
  if (parts === null) return { problem: malformed(rest, text) };
  const [, bracketed, plain = '', portText = ''] = parts;
  const port = parsePort(portText, text);
  if ('problem' in port) return port;
  const host = bracketed === undefined ? parseHost(plain, text) : parseBracketed(bracketed, text);
  if ('problem' in host) return host;
  const family = isIPv4(host.value) ? '4' : bracketed === undefined ? '' : '6';
  const wanted = network.slice(3);
  if (wanted !== '' && family !== '' && wanted !== family) {
    return { problem: `${quoted(text)} has an IPv${family} address, and ${network} takes IPv${wanted} only` };
  }
  const name = unspecified(network, host.value) ? '' : host.value;
  return {
    value: {
      kind: 'inet',
      network,
      host: name,
      port: port.value,
      text: `${network}:${formatHostPort({ host: name, port: port.value })}`,
    },
  };
}

// As in Go's net.Listen, an empty host and an unspecified address are the same: every address of the families that the
// network allows.
function unspecified(network: InetNetwork, host: string): boolean {
  return host === '' || host === '0.0.0.0' || (host === '::' && !network.endsWith('4'));
}

function malformed(rest: string, text: string): string {
  if (/^\d+$/.test(rest))
    return `${quoted(text)} has no host: write ${quoted(`:${rest}`)} for every interface, or ${quoted(`localhost:${rest}`)}`;
  if (/^(\[[^\]]*\]|[^:[\]]*)$/.test(rest))
    return `${quoted(text)} has no port: write ${quoted(`${rest}:8080`)}`;
  if (isIPv6(rest.replace(/:\d+$/, '')))
    return `${quoted(text)} needs brackets around its IPv6 address: write [::1]:80`;
  return `${quoted(text)} is not an address: write host:port, :port, [ipv6]:port or unix:/path`;
}

function parsePort(port: string, text: string): Parsed<number> {
  if (port === '') return { problem: `${quoted(text)} has no port` };
  if (!/^\d+$/.test(port))
    return { problem: `${quoted(text)} has the port ${quoted(port)}: write its number` };
  const value = Number(port);
  return value <= 65535
    ? { value }
    : { problem: `${quoted(text)} has the port ${port}: the largest is 65535` };
}

function parseHost(host: string, text: string): Parsed<string> {
  if (host === '*')
    return { problem: `${quoted(text)}: leave the host out for every interface, as in ":80"` };
  if (/^[\d.]+$/.test(host) && !isIPv4(host))
    return { problem: `${quoted(text)}: ${quoted(host)} is not an IPv4 address` };
  // RFC 1123 names, and the underscore, which container networks use.
  if (!/^[a-z0-9._-]*$/i.test(host) || host.length > 253)
    return { problem: `${quoted(text)}: ${quoted(host)} is not a host name` };
  return { value: host.toLowerCase() };
}

function parseBracketed(host: string, text: string): Parsed<string> {
  const [, address = '', zone = ''] = /^([^%]*)(%.+)?$/s.exec(host) ?? [];
  if (!isIPv6(address) || /[\s/]/.test(zone))
    return { problem: `${quoted(text)}: ${quoted(host)} is not an IPv6 address` };
  // SocketAddress returns the shortest form (RFC 5952).
  return { value: new SocketAddress({ address, family: 'ipv6' }).address + zone };
}
