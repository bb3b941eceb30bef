import { SystemError } from './errors.ts';
import {
  CONNECTION_STATES,
  type InetAddress,
  localPort,
  lookUpTcpMessage,
  walkTcpSockets,
} from './inet-diag.ts';

/** The state of an accepted connection, to decide whether the service may stop. */
export interface TcpActivity {
  /** Inode of its file. */
  readonly inode: number;
  /** No data is queued in either direction, and the last byte was sent, not received, at least a second ago. */
  readonly idle: boolean;
  /** Milliseconds since its last byte was sent; 0 if it is not idle. */
  readonly idleFor: number;
  /**
   * Looks this connection up again, in microseconds: whether it is still open and not idle. Null if that was not
   * requested, or it is idle.
   */
  readonly isStillBusy: (() => boolean) | null;
}

const QUIET = 1000;
// struct inet_diag_msg of linux/inet_diag.h, and in it struct inet_diag_sockid, which ends with the cookie, a number
// that no other socket has.
const STATE = 1;
const ID = 4;
const EXPIRES = 52;
const RQUEUE = 56;
const WQUEUE = 60;
const INODE = 68;
const MESSAGE_SIZE = 72;
const INET_DIAG_INFO = 2;
// Enum of include/net/tcp_states.h.
const CLOSE_WAIT = 8;
// struct tcp_info of linux/tcp.h; the times are milliseconds ago.
const LAST_DATA_SENT = 44;
const LAST_DATA_RECV = 52;
const LAST_ACK_RECV = 56;
const DATA_SEGS_IN = 152;
const DATA_SEGS_OUT = 156;
const INFO_SIZE = 160;

/**
 * The connections on these local TCP ports that a process has accepted, tens of thousands of them. The kernel's work is
 * done on another thread, and the results are read in slices of well under a millisecond. Rejects with SystemError.
 * @param wanted whether a busy connection will be looked up again later
 * @param families families of the listeners, which their connections have, too
 */
export async function* tcpActivityOn(
  ports: ReadonlySet<number>,
  wanted: (inode: number) => boolean,
  families: readonly InetAddress['family'][] = ['inet', 'inet6'],
): AsyncGenerator<TcpActivity[], void, void> {
  if (ports.size === 0) return;
  for (const family of families) {
    for await (const { bytes, payloads } of walkTcpSockets(family, ports, CONNECTION_STATES, true)) {
      const slice: TcpActivity[] = [];
      for (let index = 0; index < payloads.length; index += 2) {
        const start = payloads[index] ?? 0;
        const inode = bytes.readUInt32LE(start + INODE);
        // Before accept and after close there is no file.
        if (inode === 0 || !ports.has(localPort(bytes, start))) continue;
        const message = bytes.subarray(start, payloads[index + 1]);
        const idle = isIdle(message);
        const idleFor = idle ? sentAgo(message) : 0;
        slice.push({ inode, idle, idleFor, isStillBusy: idle || !wanted(inode) ? null : lookAgain(message) });
      }
      yield slice;
    }
  }
}

function lookAgain(message: Buffer): () => boolean {
  const family = message[0] ?? 0;
  // A copy, because the next receive overwrites the message.
  const id = Buffer.from(message.subarray(ID, EXPIRES));
  return () => {
    const found = lookUpExactly(family, id);
    return found !== null && found.readUInt32LE(INODE) !== 0 && !isIdle(found);
  };
}

function lookUpExactly(family: number, id: Buffer): Buffer | null {
  try {
    return lookUpTcpMessage(family, id);
  } catch (error) {
    // Another connection has its addresses by now (sock_diag_check_cookie in net/core/sock_diag.c).
    if (error instanceof SystemError && error.code === 'ESTALE') return null;
    throw error;
  }
}

/** Whether the `inet_diag_msg` with tcp_info from `start` to `end` describes an idle connection. */
export function isIdle(bytes: Buffer, start = 0, end: number = bytes.length): boolean {
  // The unread FIN of a client counts as one byte (tcp_diag_get_info, net/ipv4/tcp_diag.c).
  const unread = bytes.readUInt32LE(start + RQUEUE) - (bytes[start + STATE] === CLOSE_WAIT ? 1 : 0);
  if (unread > 0 || bytes.readUInt32LE(start + WQUEUE) > 0) return false;
  const info = infoOffset(bytes, start, end);
  if (info === null) return false;
  const read = (offset: number) => bytes.readUInt32LE(info + offset);
  const sent = read(LAST_DATA_SENT);
  const received = read(LAST_DATA_RECV);
  // A client that has not sent a request yet has not been answered, either: both times begin with the connection.
  if (read(DATA_SEGS_OUT) === 0 || sent < QUIET) return false;
  if (sent !== received) return sent < received;
  // A fast answer is sent in the same clock tick (1 to 10 ms) as its request arrived, and a fast client's next request
  // arrives in the same tick as the previous answer was sent. If only an acknowledgement came after the data, the
  // connection is idle. Otherwise the side that sent more segments decides.
  return read(LAST_ACK_RECV) < received || read(DATA_SEGS_IN) <= read(DATA_SEGS_OUT);
}

function sentAgo(bytes: Buffer): number {
  const info = infoOffset(bytes, 0, bytes.length);
  return info === null ? 0 : bytes.readUInt32LE(info + LAST_DATA_SENT);
}

/** The start of struct tcp_info; null if the kernel returned none. */
function infoOffset(bytes: Buffer, start: number, end: number): number | null {
  let at = start + MESSAGE_SIZE;
  while (at + 4 <= end) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) return null;
    if (bytes.readUInt16LE(at + 2) === INET_DIAG_INFO)
      return length >= 4 + INFO_SIZE && at + length <= end ? at + 4 : null;
    at += (length + 3) & ~3;
  }
  return null;
}
