import { formatInet6, isMappedInet4 } from '../common/inet.ts';
import { attributes, diagDump, diagLookup, diagWalkOnPool, type Received } from './netlink.ts';
import { AF_INET, AF_INET6, inet4Bytes, inet6Bytes, type SocketAddress } from './sockaddr.ts';

export type InetAddress = Extract<SocketAddress, { family: 'inet' | 'inet6' }>;

// Enum of include/net/tcp_states.h, from 1.
const STATES = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
] as const;
export type TcpState = (typeof STATES)[number];

/** The states of connections that can belong to a process. */
export const CONNECTION_STATES: readonly TcpState[] = [
  'ESTABLISHED',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSE_WAIT',
  'LAST_ACK',
  'CLOSING',
];

/**
 * A TCP socket as sock_diag(7) reports it. `inode` is 0 while no file belongs to it: before accept, and after close.
 * `rqueue` and `wqueue` are unread and unsent bytes; for a LISTEN socket, connections to accept and the backlog.
 * `cookie` stays the same for the socket's life and is never reused.
 */
export interface TcpSocket {
  state: TcpState;
  local: InetAddress;
  remote: InetAddress;
  inode: number;
  uid: number;
  cookie: bigint;
  rqueue: number;
  wqueue: number;
}

/**
 * A connection, with the milliseconds since data was last sent and received. Null if the kernel returned no tcp_info.
 */
export interface TcpConnection extends TcpSocket {
  lastSentMs: number | null;
  lastReceivedMs: number | null;
}

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const INET_DIAG_INFO = 2;
const INET_DIAG_SKMEMINFO = 7;
// Enum of linux/sock_diag.h.
const SK_MEMINFO_DROPS = 8;
const INET_DIAG_SOCKOPT = 22;
const REQUEST_SIZE = 56;
// struct inet_diag_msg: its size, and the offsets of some fields.
const MESSAGE_SIZE = 72;
const LOCAL_PORT = 4;
const INODE = 68;

/** The bit of a state in a request. */
export function stateMask(...states: readonly TcpState[]): number {
  return states.reduce((mask, state) => mask | (1 << (STATES.indexOf(state) + 1)), 0);
}

interface Request {
  family: number;
  states: number;
  local: { port: number; address?: Buffer };
  remote?: { port: number; address: Buffer };
  /** The interface of a link-local address. */
  scopeId?: number;
  withInfo?: boolean;
  withMemory?: boolean;
  protocol?: number;
}

// struct inet_diag_req_v2 of linux/inet_diag.h; a cookie of all ones is INET_DIAG_NOCOOKIE.
function encodeRequest(request: Request): Buffer {
  const bytes = Buffer.alloc(REQUEST_SIZE);
  bytes[0] = request.family;
  bytes[1] = request.protocol ?? IPPROTO_TCP;
  bytes[2] =
    (request.withInfo ? 1 << (INET_DIAG_INFO - 1) : 0) |
    (request.withMemory ? 1 << (INET_DIAG_SKMEMINFO - 1) : 0);
  bytes.writeUInt32LE(request.states, 4);
  bytes.writeUInt16BE(request.local.port, 8);
  bytes.writeUInt16BE(request.remote?.port ?? 0, 10);
  request.local.address?.copy(bytes, 12);
  request.remote?.address.copy(bytes, 28);
  bytes.writeUInt32LE(request.scopeId ?? 0, 44);
  bytes.fill(0xff, 48);
  return bytes;
}

/**
 * The socket of exactly this connection, seen from `local`. If it does not exist, null or the LISTEN socket of the
 * address, which the kernel looks up next. Needs no dump. Throws SystemError.
 */
export function findTcpSocket(local: InetAddress, remote: InetAddress): TcpSocket | null {
  const answer = lookUp(local, remote);
  return answer === null ? null : decodeSocket(answer);
}

/**
 * Whether the socket of exactly this connection has IP_BIND_ADDRESS_NO_PORT set. The option has no effect on a
 * connection, which inherits it from its listening socket. Null if the connection does not exist, or the kernel (before
 * 5.10) does not report the option.
 */
export function hasBindAddressNoPort(local: InetAddress, remote: InetAddress): boolean | null {
  const answer = lookUp(local, remote);
  // struct inet_diag_sockopt of linux/inet_diag.h: bit 0 of the second byte.
  const options = answer === null ? undefined : attributes(answer, MESSAGE_SIZE).get(INET_DIAG_SOCKOPT);
  return options === undefined ? null : ((options[1] ?? 0) & 1) === 1;
}

function lookUp(local: InetAddress, remote: InetAddress): Buffer | null {
  const request = encodeRequest({
    family: local.family === 'inet' ? AF_INET : AF_INET6,
    states: 0xffffffff,
    local: { port: local.port, address: addressBytes(local) },
    remote: { port: remote.port, address: addressBytes(remote) },
    scopeId: local.scopeId ?? remote.scopeId ?? 0,
  });
  return diagLookup(request);
}

/**
 * The connections of one family in these states, from the lowest of the local ports to the highest, including those on
 * other ports in between (localPort()). One walk over the kernel's table for all ports, on another thread. Rejects with
 * SystemError.
 * @param withInfo adds tcp_info, which is most of the work and of the bytes
 */
export function walkTcpSockets(
  family: InetAddress['family'],
  ports: ReadonlySet<number>,
  states: readonly TcpState[],
  withInfo: boolean,
): AsyncGenerator<Received, void, void> {
  const request = encodeRequest({
    family: family === 'inet' ? AF_INET : AF_INET6,
    states: stateMask(...states),
    local: { port: 0 },
    withInfo,
  });
  return diagWalkOnPool(Buffer.concat([request, portFilter(Math.min(...ports), Math.max(...ports))]));
}

/** The local port of the `inet_diag_msg` that begins at `start`. */
export function localPort(bytes: Buffer, start: number): number {
  return ((bytes[start + LOCAL_PORT] ?? 0) << 8) | (bytes[start + LOCAL_PORT + 1] ?? 0);
}

// Enum of linux/inet_diag.h.
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_S_GE = 2;
const INET_DIAG_BC_S_LE = 3;

/**
 * An attribute that excludes sockets from a dump whose local port is not in the range: two comparisons, each with two
 * struct inet_diag_bc_op, the second containing the port. A failed comparison jumps behind the end, which means "no"
 * (inet_diag_bc_run, net/ipv4/inet_diag.c).
 */
function portFilter(min: number, max: number): Buffer {
  const comparisons = [
    { code: INET_DIAG_BC_S_GE, port: min },
    { code: INET_DIAG_BC_S_LE, port: max },
  ];
  const size = 8 * comparisons.length;
  const bytes = Buffer.alloc(4 + size);
  bytes.writeUInt16LE(bytes.length, 0);
  bytes.writeUInt16LE(INET_DIAG_REQ_BYTECODE, 2);
  for (const [index, { code, port }] of comparisons.entries()) {
    const at = 4 + 8 * index;
    bytes[at] = code;
    bytes[at + 1] = 8;
    bytes.writeUInt16LE(size - 8 * index + 4, at + 2);
    bytes.writeUInt16LE(port, at + 6);
  }
  return bytes;
}

/**
 * The kernel's message about the one socket with this `inet_diag_sockid`, cookie included, with tcp_info. Null if it
 * does not exist. Throws SystemError, ESTALE if another connection has these addresses.
 */
export function lookUpTcpMessage(family: number, id: Buffer): Buffer | null {
  const request = encodeRequest({ family, states: 0xffffffff, local: { port: 0 }, withInfo: true });
  id.copy(request, 8);
  return diagLookup(request);
}

export interface PortRange {
  readonly min: number;
  readonly max: number;
}

interface DumpOptions {
  /** Adds the times of the last data. */
  readonly withInfo?: boolean;
  readonly families?: readonly number[];
  /** Whether to skip the socket with this inode before it is decoded. */
  readonly leftOut?: (inode: number) => boolean;
  /** Only sockets on these local ports, first to last. */
  readonly ports?: PortRange;
}

/** The sockets on a local port in these states, IPv4 then IPv6, in slices of one receive each. Throws SystemError. */
export function* dumpTcp(
  port: number,
  states: number,
  { withInfo = false, families = [AF_INET, AF_INET6], leftOut = () => false, ports }: DumpOptions = {},
): Generator<TcpConnection[], void, void> {
  for (const family of families) {
    const asked = encodeRequest({ family, states, local: { port }, withInfo });
    const request = ports ? Buffer.concat([asked, portFilter(ports.min, ports.max)]) : asked;
    for (const payloads of diagDump(request, (bytes, start) => leftOut(bytes.readUInt32LE(start + INODE))))
      yield payloads.map(decodeConnection);
  }
}

/** Data that a socket which accepts connections or datagrams holds for its service, and its drops. */
export interface Intake {
  readonly inode: number;
  /** TCP: connections in the accept queue. UDP: unread bytes. */
  readonly waiting: number;
  /**
   * Connections and datagrams that were dropped since the socket was created, mostly for lack of space (sk_drops). Null
   * if the kernel does not report it.
   */
  readonly drops: number | null;
}

/**
 * The sockets that listen on a TCP port, or are bound to a UDP port, of IPv4 and IPv6; 0: on any port. Throws
 * SystemError.
 */
export function intakesOn(network: 'tcp' | 'udp', port: number): Intake[] {
  const found: Intake[] = [];
  // An unconnected UDP socket is CLOSE (udp_diag_dump, net/ipv4/udp_diag.c).
  const [protocol, states] =
    network === 'tcp' ? [IPPROTO_TCP, stateMask('LISTEN')] : [IPPROTO_UDP, stateMask('CLOSE')];
  for (const family of [AF_INET, AF_INET6]) {
    const request = { family, states, local: { port }, withMemory: true, protocol };
    for (const payloads of diagDump(encodeRequest(request))) found.push(...payloads.map(decodeIntake));
  }
  return found;
}

// sk_drops: tcp_listendrop (include/net/tcp.h) counts refusals because of a full queue, a lack of memory or a filter;
// udp_queue_rcv_skb counts those because of a full buffer.
function decodeIntake(bytes: Buffer): Intake {
  const memory = attributes(bytes, MESSAGE_SIZE).get(INET_DIAG_SKMEMINFO);
  const at = SK_MEMINFO_DROPS * 4;
  return {
    inode: bytes.readUInt32LE(INODE),
    waiting: bytes.readUInt32LE(56),
    drops: memory !== undefined && memory.length >= at + 4 ? memory.readUInt32LE(at) : null,
  };
}

function addressBytes(address: InetAddress): Buffer {
  return address.family === 'inet' ? inet4Bytes(address.host) : inet6Bytes(address.host.split('%')[0] ?? '');
}

// struct inet_diag_msg.
function decodeSocket(bytes: Buffer): TcpSocket {
  const scopeId = bytes.readUInt32LE(40);
  return {
    state: STATES[(bytes[1] ?? 0) - 1] ?? 'CLOSE',
    local: decodeEnd(bytes, 4, 8, scopeId),
    remote: decodeEnd(bytes, 6, 24, scopeId),
    cookie: bytes.readBigUInt64LE(44),
    rqueue: bytes.readUInt32LE(56),
    wqueue: bytes.readUInt32LE(60),
    uid: bytes.readUInt32LE(64),
    inode: bytes.readUInt32LE(INODE),
  };
}

function decodeConnection(bytes: Buffer): TcpConnection {
  // struct tcp_info of linux/tcp.h: tcpi_last_data_sent at 44, tcpi_last_data_recv at 52, in ms.
  const info = attributes(bytes, MESSAGE_SIZE).get(INET_DIAG_INFO);
  const times = info && info.length >= 56 ? [info.readUInt32LE(44), info.readUInt32LE(52)] : [];
  return { ...decodeSocket(bytes), lastSentMs: times[0] ?? null, lastReceivedMs: times[1] ?? null };
}

function decodeEnd(bytes: Buffer, portAt: number, addressAt: number, scopeId: number): InetAddress {
  const port = bytes.readUInt16BE(portAt);
  const address = bytes.subarray(addressAt, addressAt + 16);
  if (bytes[0] === AF_INET) return { family: 'inet', host: address.subarray(0, 4).join('.'), port };
  const host = formatInet6(address);
  const scoped = scopeId !== 0 && !isMappedInet4(address) && host.startsWith('fe80:');
  return scoped ? { family: 'inet6', host, port, scopeId } : { family: 'inet6', host, port };
}
