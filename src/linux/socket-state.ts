import { callAbout, tryCall } from './libc.ts';

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const MSG_PEEK = 0x2;
const MSG_DONTWAIT = 0x40;

// Allocated once: a supervisor with a thousand listeners makes thousands of calls per second.
const info = Buffer.alloc(28);
const length = Buffer.alloc(4);

/**
 * Number of connections that wait to be accepted from a listening TCP socket, without a dump of the sockets of its
 * port. For a listening socket, tcp_info contains the length of the accept queue in tcpi_unacked (tcp_get_info,
 * net/ipv4/tcp.c). Throws SystemError.
 */
export function acceptQueue(fd: number): number {
  length.writeUInt32LE(info.length);
  callAbout('tcp_info', 'getsockopt', fd, IPPROTO_TCP, TCP_INFO, info, length);
  return info.readUInt32LE(24);
}

/**
 * State of a connection from this end. Consumes nothing except a pending error. `readable`: the other end has sent
 * data. `ended`: it closed the connection. `failed`: it was reset or refused. `silent`: none of these. Throws
 * SystemError.
 */
export function peekConnection(fd: number): 'silent' | 'readable' | 'ended' | 'failed' {
  const failures = [
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
  ] as const;
  const expected = ['EAGAIN', 'ENOTCONN', ...failures] as const;
  const result = tryCall(expected, 'recv', fd, Buffer.alloc(1), 1, MSG_PEEK | MSG_DONTWAIT);
  if (typeof result === 'number') return result === 0 ? 'ended' : 'readable';
  // ENOTCONN: the handshake is not complete.
  if (result === 'EAGAIN' || result === 'ENOTCONN') return 'silent';
  return 'failed';
}
