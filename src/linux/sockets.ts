import { fstatSync } from 'node:fs';
import { errnoNumber, SystemError } from './errors.ts';
import { callAbout, lastErrno, rawCall, tryCall } from './libc.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  decodeAddress,
  encodeAddress,
  formatAddress,
  SOCKADDR_CAPACITY,
  type SocketAddress,
  type SocketFamily,
} from './sockaddr.ts';
import { getOption, type SocketOption, setOption } from './socket-options.ts';

export type SocketType = 'stream' | 'dgram';

const DOMAINS: Record<SocketFamily, number> = { inet: AF_INET, inet6: AF_INET6, unix: AF_UNIX };
const TYPES: Record<SocketType, number> = { stream: 1, dgram: 2 };
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** A new socket, close-on-exec and non-blocking. Throws SystemError. */
export function openSocket(family: SocketFamily, type: SocketType): number {
  return callAbout(
    `${family} ${type}`,
    'socket',
    DOMAINS[family],
    TYPES[type] | SOCK_CLOEXEC | SOCK_NONBLOCK,
    0,
  );
}

/**
 * The same for another user, so that the kernel allows sharing an address by SO_REUSEPORT: all sockets of a group
 * belong to one user (inet_reuseport_add_sock, net/ipv4/inet_hashtables.c). Requires CAP_SETUID; without it the socket
 * belongs to this user (setfsuid(2)). Throws SystemError.
 */
export function openSocketAs(uid: number, family: SocketFamily, type: SocketType): number {
  const own = rawCall('setfsuid', uid);
  try {
    return openSocket(family, type);
  } finally {
    rawCall('setfsuid', own);
  }
}

/** bind(2). Throws SystemError (EADDRINUSE, EACCES, EADDRNOTAVAIL, ENAMETOOLONG...). */
export function bindSocket(fd: number, address: SocketAddress): void {
  const bytes = encodeAddress(address);
  callAbout(formatAddress(address), 'bind', fd, bytes, bytes.length);
}

/** listen(2). Can be repeated on a listening socket to change its backlog. Throws SystemError. */
export function listenSocket(fd: number, backlog: number): void {
  callAbout(`descriptor ${fd}`, 'listen', fd, backlog);
}

/** connect(2). A connection in progress (EINPROGRESS) counts as success. Throws SystemError. */
export function connectSocket(fd: number, address: SocketAddress): void {
  const bytes = encodeAddress(address);
  if (rawCall('connect', fd, bytes, bytes.length) !== -1) return;
  const errno = lastErrno();
  // An interrupted connect proceeds asynchronously, like one in progress (connect(2)).
  if (errno === errnoNumber('EINPROGRESS') || errno === errnoNumber('EINTR')) return;
  throw new SystemError('connect', errno, formatAddress(address));
}

/**
 * send(2) without waiting and without SIGPIPE. Returns the number of sent bytes. Throws SystemError (EAGAIN if there is
 * no space, EPIPE).
 */
export function sendNow(fd: number, bytes: Buffer): number {
  return callAbout(`descriptor ${fd}`, 'send', fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/**
 * The next connection of a listening socket, close-on-exec and non-blocking, or null if none waits or the waiting one
 * was aborted (ECONNABORTED). Throws SystemError.
 */
export function acceptSocket(fd: number): { fd: number; peer: SocketAddress } | null {
  const bytes = Buffer.alloc(SOCKADDR_CAPACITY);
  const length = intBuffer(bytes.length);
  const flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  const accepted = tryCall(['EAGAIN', 'ECONNABORTED'], 'accept4', fd, bytes, length, flags);
  if (typeof accepted === 'string') return null;
  return { fd: accepted, peer: decodeAddress(bytes, length.readInt32LE(0)) };
}

/**
 * Closes a connection for sending only, so that the other end reads end-of-file. Has no effect on an unconnected
 * socket. Throws SystemError.
 */
export function shutdownSending(fd: number): void {
  tryCall(['ENOTCONN'], 'shutdown', fd, SHUT_WR);
}

/**
 * Ends listening for every process that has the socket: connect(2) is refused from now on, and the queue is reset. Has
 * no effect on a socket that does not listen, such as a datagram socket. Throws SystemError.
 */
export function stopListening(fd: number): void {
  if (getOption(fd, 'accept_connections') === 1) tryCall(['ENOTCONN'], 'shutdown', fd, SHUT_RDWR);
}

/** The address that the socket is bound to, with the port that the kernel chose. Throws SystemError. */
export function localAddress(fd: number): SocketAddress {
  return addressFrom('getsockname', fd);
}

/** The address the socket is connected to. Throws SystemError ENOTCONN. */
export function peerAddress(fd: number): SocketAddress {
  return addressFrom('getpeername', fd);
}

function addressFrom(name: 'getsockname' | 'getpeername', fd: number): SocketAddress {
  const bytes = Buffer.alloc(SOCKADDR_CAPACITY);
  const length = intBuffer(bytes.length);
  callAbout(`descriptor ${fd}`, name, fd, bytes, length);
  return decodeAddress(bytes, length.readInt32LE(0));
}

/** close(2). An interrupted close has released the descriptor, too (close(2), Linux). Throws SystemError EBADF. */
export function closeFd(fd: number): void {
  if (rawCall('close', fd) !== -1) return;
  const errno = lastErrno();
  if (errno !== errnoNumber('EINTR')) throw new SystemError('close', errno, `descriptor ${fd}`);
}

/**
 * Sets whether calls on the socket block. O_NONBLOCK belongs to the open file description (fcntl(2)), so this changes
 * the socket for every process that has it. Throws SystemError.
 */
export function setBlocking(fd: number, blocking: boolean): void {
  const flags = callAbout(`descriptor ${fd}`, 'fcntl', fd, F_GETFL, 0);
  // SOCK_NONBLOCK is O_NONBLOCK (socket(2)).
  const wanted = blocking ? flags & ~SOCK_NONBLOCK : flags | SOCK_NONBLOCK;
  if (wanted !== flags) callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETFL, wanted);
}

/**
 * The inode number, which identifies the socket in /proc/PID/fd and sock_diag. Node returns a double, for which V8 would
 * create an object wherever the number is kept. Math.trunc returns the same number without one.
 */
export function inodeOf(fd: number): number {
  return Math.trunc(fstatSync(fd).ino);
}

/**
 * Makes close(2) send a reset instead of FIN and keep no state of the connection (SO_LINGER with 0 s, socket(7)).
 * Throws SystemError.
 */
export function resetOnClose(fd: number): void {
  const SOL_SOCKET = 1;
  const SO_LINGER = 13;
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1);
  callAbout(`descriptor ${fd}`, 'setsockopt', fd, SOL_SOCKET, SO_LINGER, linger, linger.length);
}

/** The user that the socket belongs to. */
export function ownerOf(fd: number): number {
  return fstatSync(fd).uid;
}

/** A close-on-exec duplicate numbered `lowest` or above. Throws SystemError (EMFILE, EINVAL above RLIMIT_NOFILE). */
export function duplicateAbove(fd: number, lowest: number): number {
  return callAbout(`descriptor ${fd}`, 'fcntl', fd, F_DUPFD_CLOEXEC, lowest);
}

function intBuffer(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value);
  return buffer;
}

export { getOption, type SocketOption, setOption };
