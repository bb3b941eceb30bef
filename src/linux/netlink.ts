import { errnoNumber, SystemError } from './errors.ts';
import { type Arguments, call, callAbout, callOnPool, type FunctionName } from './libc.ts';
import { MessageBatch } from './message-batch.ts';
import { closeFd, SOCK_CLOEXEC, SOCK_NONBLOCK } from './sockets.ts';
import { withSpare } from './spare.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER_SIZE = 16;
// netlink(7) recommends at least 8 KiB; the kernel fills up to 32 KiB at once.
const RECEIVE_SIZE = 32768;
// Each call on the pool wakes two threads. More messages at a time would keep the main thread busy for too long.
const BATCH = 8;
let receiveBuffer: Buffer | undefined;

/**
 * One exact request to sock_diag(7). Returns the payload of the answer, or null if no socket matches. Throws
 * SystemError.
 */
export function diagLookup(request: Buffer): Buffer | null {
  return withSpare(() => lookUp(request));
}

function lookUp(request: Buffer): Buffer | null {
  const socket = openDiag();
  try {
    sendRequest(socket, request, NLM_F_REQUEST);
    const { payloads, errno } = parse(receive(socket));
    if (errno === errnoNumber('ENOENT')) return null;
    if (errno !== 0) throw new SystemError('sock_diag', errno);
    return payloads[0] ?? null;
  } finally {
    closeFd(socket);
  }
}

/**
 * Every answer to a request to sock_diag(7), one array per receive. The next receive overwrites the payloads. Throws
 * SystemError.
 * @param leftOut whether to skip the payload that begins at `start`
 */
export function* diagDump(
  request: Buffer,
  leftOut: (bytes: Buffer, start: number) => boolean = () => false,
): Generator<Buffer[], void, void> {
  const socket = openDiag();
  try {
    sendRequest(socket, request, NLM_F_REQUEST | NLM_F_DUMP);
    for (;;) {
      const { payloads, errno, done } = parse(receive(socket), leftOut);
      if (errno !== 0) throw new SystemError('sock_diag', errno);
      if (payloads.length > 0) yield payloads;
      if (done) return;
    }
  } finally {
    closeFd(socket);
  }
}

/**
 * The same, with the kernel's work on a thread of libuv's pool: a walk over the table of connections takes milliseconds
 * if it is full of closed ones, whatever is requested, and cannot be divided. Rejects with SystemError.
 */
export async function* diagDumpOnPool(request: Buffer): AsyncGenerator<Buffer[], void, void> {
  for await (const { bytes, payloads } of diagWalkOnPool(request)) {
    yield Array.from({ length: payloads.length / 2 }, (_, index) =>
      bytes.subarray(payloads[2 * index], payloads[2 * index + 1]),
    );
  }
}

/** The result of one receive: the start and end of each payload, in order. Valid until the next receive. */
export interface Received {
  readonly bytes: Buffer;
  /** See wordsOf(). */
  readonly words: Uint32Array;
  readonly payloads: readonly number[];
}

/** The same without an object for each payload, for tens of thousands of them. */
export async function* diagWalkOnPool(request: Buffer): AsyncGenerator<Received, void, void> {
  const socket = openDiag();
  const batch = new MessageBatch(BATCH, RECEIVE_SIZE);
  try {
    // The kernel does the first part of the walk while the request is sent (__netlink_dump_start in
    // net/netlink/af_netlink.c).
    const message = encodeMessage(request, NLM_F_REQUEST | NLM_F_DUMP);
    await onPool('send', socket, message, message.length, 0);
    for (;;) {
      const count = await onPool('recvmmsg', socket, batch.block, batch.count, 0, null);
      for (let index = 0; index < count; index += 1) {
        const bytes = batch.data(index);
        const payloads: number[] = [];
        const { errno, done } = walk(bytes, (start, end) => payloads.push(start, end));
        if (errno !== 0) throw new SystemError('sock_diag', errno);
        if (payloads.length > 0) yield { bytes, words: wordsOf(bytes), payloads };
        if (done) return;
      }
    }
  } finally {
    closeFd(socket);
  }
}

/** The attributes after the first `offset` bytes of a payload (rtnetlink(7)), by type. */
export function attributes(payload: Buffer, offset: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at = offset;
  while (at + 4 <= payload.length) {
    const length = payload.readUInt16LE(at);
    if (length < 4 || at + length > payload.length) break;
    found.set(payload.readUInt16LE(at + 2), payload.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

function openDiag(): number {
  const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
  return callAbout('netlink sock_diag', 'socket', AF_NETLINK, type, NETLINK_SOCK_DIAG);
}

function sendRequest(socket: number, request: Buffer, flags: number): void {
  const message = encodeMessage(request, flags);
  call('send', socket, message, message.length, 0);
}

function encodeMessage(request: Buffer, flags: number): Buffer {
  const message = Buffer.alloc(HEADER_SIZE + request.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  message.writeUInt16LE(flags, 6);
  request.copy(message, HEADER_SIZE);
  return message;
}

function receive(socket: number): Buffer {
  receiveBuffer ??= Buffer.alloc(RECEIVE_SIZE);
  const length = call('recv', socket, receiveBuffer, receiveBuffer.length, 0);
  return receiveBuffer.subarray(0, length);
}

async function onPool<Name extends FunctionName>(name: Name, ...args: Arguments<Name>): Promise<number> {
  const result = await new Promise<number>((resolve) => {
    callOnPool(name, args, resolve);
  });
  // errno stays on the other thread: the same call here returns the error.
  return result === -1 ? call(name, ...args) : result;
}

/** Splits the result of one receive. `errno` is 0 without an error message. */
export function parse(
  bytes: Buffer,
  leftOut: (bytes: Buffer, start: number) => boolean = () => false,
): { payloads: Buffer[]; errno: number; done: boolean } {
  const payloads: Buffer[] = [];
  const { errno, done } = walk(bytes, (start, end) => {
    if (!leftOut(bytes, start)) payloads.push(bytes.subarray(start, end));
  });
  return { payloads, errno, done };
}

/**
 * The 32-bit words of a netlink message, which begins and pads everything at multiples of 4 bytes (netlink(7)). Without
 * compiled code, V8 reads a word of it in a tenth of the time that Buffer.readUInt32LE takes.
 */
export function wordsOf(bytes: Buffer): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, bytes.length >> 2);
}

// struct nlmsghdr of linux/netlink.h: the length, then the type and the flags.
function walk(bytes: Buffer, take: (start: number, end: number) => void): { errno: number; done: boolean } {
  const words = wordsOf(bytes);
  const size = bytes.length;
  let at = 0;
  while (at + HEADER_SIZE <= size) {
    const length = words[at >> 2] ?? 0;
    if (length < HEADER_SIZE || at + length > size) break;
    const type = (words[(at >> 2) + 1] ?? 0) & 0xffff;
    const start = at + HEADER_SIZE;
    // The end of a dump contains an error, too, if the dump could not start (netlink_dump_done in af_netlink.c).
    if (type === NLMSG_DONE)
      return { errno: length >= HEADER_SIZE + 4 ? -bytes.readInt32LE(start) : 0, done: true };
    if (type === NLMSG_ERROR) return { errno: -bytes.readInt32LE(start), done: true };
    take(start, at + length);
    at += (length + 3) & ~3;
  }
  return { errno: 0, done: false };
}
