import { callAbout } from './libc.ts';

const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;

// Numbers of include/uapi/asm-generic/socket.h, linux/in.h, linux/in6.h and linux/tcp.h (x64 and arm64 agree).
const OPTIONS = {
  reuse_address: [SOL_SOCKET, 2],
  type: [SOL_SOCKET, 3],
  error: [SOL_SOCKET, 4],
  broadcast: [SOL_SOCKET, 6],
  send_buffer: [SOL_SOCKET, 7],
  receive_buffer: [SOL_SOCKET, 8],
  keep_alive: [SOL_SOCKET, 9],
  reuse_port: [SOL_SOCKET, 15],
  passcred: [SOL_SOCKET, 16],
  bind_to_device: [SOL_SOCKET, 25],
  accept_connections: [SOL_SOCKET, 30],
  mark: [SOL_SOCKET, 36],
  protocol: [SOL_SOCKET, 38],
  domain: [SOL_SOCKET, 39],
  lock_filter: [SOL_SOCKET, 44],
  // The IPv4 level works on IPv6 sockets, too: both set the same bit of the socket (net/ipv4/ip_sockglue.c).
  free_bind: [IPPROTO_IP, 15],
  transparent: [IPPROTO_IP, 19],
  min_ttl: [IPPROTO_IP, 21],
  bind_address_no_port: [IPPROTO_IP, 24],
  no_delay: [IPPROTO_TCP, 1],
  keep_alive_idle: [IPPROTO_TCP, 4],
  keep_alive_interval: [IPPROTO_TCP, 5],
  keep_alive_count: [IPPROTO_TCP, 6],
  defer_accept: [IPPROTO_TCP, 9],
  window_clamp: [IPPROTO_TCP, 10],
  user_timeout: [IPPROTO_TCP, 18],
  fast_open: [IPPROTO_TCP, 23],
  ipv6_only: [IPPROTO_IPV6, 26],
  min_hop_count: [IPPROTO_IPV6, 73],
} as const satisfies Record<string, readonly [level: number, option: number]>;

export type SocketOption = keyof typeof OPTIONS;

/** setsockopt(2) with an int, or with the bytes of a string (bind_to_device). Throws SystemError. */
export function setOption(fd: number, option: SocketOption, value: number | string): void {
  const [level, number] = OPTIONS[option];
  const bytes = typeof value === 'string' ? Buffer.from(`${value}\0`) : Buffer.alloc(4);
  if (typeof value === 'number') bytes.writeUInt32LE(value >>> 0);
  callAbout(option, 'setsockopt', fd, level, number, bytes, bytes.length);
}

/** getsockopt(2) of an int option. Buffer sizes are returned doubled (socket(7)). Throws SystemError. */
export function getOption(fd: number, option: SocketOption): number {
  const [level, number] = OPTIONS[option];
  return readOption(fd, option, level, number, 4).readInt32LE(0);
}

/** SO_PEERCRED: the peer of a Unix stream when it connected (unix(7)). Throws SystemError. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const SO_PEERCRED = 17;
  const bytes = readOption(fd, 'peer credentials', SOL_SOCKET, SO_PEERCRED, 12);
  return { pid: bytes.readInt32LE(0), uid: bytes.readUInt32LE(4), gid: bytes.readUInt32LE(8) };
}

function readOption(fd: number, name: string, level: number, option: number, size: number): Buffer {
  const value = Buffer.alloc(size);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(size);
  callAbout(name, 'getsockopt', fd, level, option, value, length);
  return value;
}
