import { SystemError } from './errors.ts';
import {
  CONNECTION_STATES,
  type InetAddress,
  localPort,
  lookUpTcpMessage,
  walkTcpSockets,
} from './inet-diag.ts';
import { wordsOf } from './netlink.ts';

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
// struct inet_diag_sockid of linux/inet_diag.h: where it begins and ends in struct inet_diag_msg, in bytes. It ends with
// the cookie, a number that no other socket has.
const ID = 4;
const EXPIRES = 52;
// The rest are offsets in 32-bit words. struct inet_diag_msg: the state is the second byte.
const RQUEUE = 56 / 4;
const WQUEUE = 60 / 4;
const INODE = 68 / 4;
const MESSAGE_SIZE = 72 / 4;
const INET_DIAG_INFO = 2;
// Enum of include/net/tcp_states.h.
const CLOSE_WAIT = 8;
// struct tcp_info of linux/tcp.h; the times are milliseconds ago.
const LAST_DATA_SENT = 44 / 4;
const LAST_DATA_RECV = 52 / 4;
const LAST_ACK_RECV = 56 / 4;
const DATA_SEGS_IN = 152 / 4;
const DATA_SEGS_OUT = 156 / 4;
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
    for await (const { bytes, words, payloads } of walkTcpSockets(family, ports, CONNECTION_STATES, true)) {
      const slice: TcpActivity[] = [];
      for (let index = 0; index < payloads.length; index += 2) {
        const start = payloads[index] ?? 0;
        const end = payloads[index + 1] ?? start;
        const inode = words[(start >> 2) + INODE] ?? 0;
        // Before accept and after close there is no file.
        if (inode === 0 || !ports.has(localPort(bytes, start))) continue;
        const idle = isIdle(words, start >> 2, end >> 2);
        const idleFor = idle ? sentAgo(words, start >> 2, end >> 2) : 0;
        const message = bytes.subarray(start, end);
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
    if (found === null) return false;
    const words = wordsOf(found);
    return words[INODE] !== 0 && !isIdle(words);
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

/**
 * Whether the `inet_diag_msg` with tcp_info describes an idle connection.
 * @param start where it begins and
 * @param end where it ends, in words
 */
export function isIdle(words: Uint32Array, start = 0, end: number = words.length): boolean {
  const unread = words[start + RQUEUE] ?? 0;
  // The unread FIN of a client counts as one byte (tcp_diag_get_info, net/ipv4/tcp_diag.c).
  if (unread > 1 || (unread === 1 && (((words[start] ?? 0) >>> 8) & 0xff) !== CLOSE_WAIT)) return false;
  if ((words[start + WQUEUE] ?? 0) > 0) return false;
  const info = infoOffset(words, start, end);
  if (info === null) return false;
  const sent = words[info + LAST_DATA_SENT] ?? 0;
  const received = words[info + LAST_DATA_RECV] ?? 0;
  const segmentsOut = words[info + DATA_SEGS_OUT] ?? 0;
  // A client that has not sent a request yet has not been answered, either: both times begin with the connection.
  if (segmentsOut === 0 || sent < QUIET) return false;
  if (sent !== received) return sent < received;
  // A fast answer is sent in the same clock tick (1 to 10 ms) as its request arrived, and a fast client's next request
  // arrives in the same tick as the previous answer was sent. If only an acknowledgement came after the data, the
  // connection is idle. Otherwise the side that sent more segments decides.
  return (words[info + LAST_ACK_RECV] ?? 0) < received || (words[info + DATA_SEGS_IN] ?? 0) <= segmentsOut;
}

function sentAgo(words: Uint32Array, start: number, end: number): number {
  const info = infoOffset(words, start, end);
  return info === null ? 0 : (words[info + LAST_DATA_SENT] ?? 0);
}

/** The start of struct tcp_info; null if the kernel returned none. An attribute begins with its length and type. */
function infoOffset(words: Uint32Array, start: number, end: number): number | null {
  let at = start + MESSAGE_SIZE;
  while (at < end) {
    const header = words[at] ?? 0;
    const length = header & 0xffff;
    if (length < 4) return null;
    const next = at + ((length + 3) >> 2);
    if (header >>> 16 === INET_DIAG_INFO) return length >= 4 + INFO_SIZE && next <= end ? at + 1 : null;
    at = next;
  }
  return null;
}
