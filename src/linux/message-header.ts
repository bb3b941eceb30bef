import { addressOf } from './libc.ts';

// recvmsg(2), cmsg(3) on 64-bit Linux: struct msghdr is 56 bytes, struct iovec 16, struct cmsghdr 16, and control data
// is aligned to 8.
const HEADER_SIZE = 56;
const IOVEC_SIZE = 16;
const CONTROL_HEADER_SIZE = 16;
const SOL_SOCKET = 1;

export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;
export const MSG_CTRUNC = 0x08;
export const MSG_TRUNC = 0x20;

/** One block of memory that begins with a struct msghdr and contains everything that it points to. */
export interface MessageBlock {
  block: Buffer;
  data: Buffer;
  control: Buffer;
  name: Buffer;
}

/** Lays out a message with space for this many bytes of data, of control data and of an address. */
export function messageBlock(dataSize: number, controlSize: number, nameSize: number): MessageBlock {
  const control = HEADER_SIZE + IOVEC_SIZE;
  const name = control + controlSize;
  const data = name + nameSize;
  const block = Buffer.alloc(data + dataSize);
  const base = addressOf(block);
  block.writeBigUInt64LE(nameSize === 0 ? 0n : base + BigInt(name), 0);
  block.writeBigUInt64LE(base + BigInt(HEADER_SIZE), 16);
  block.writeBigUInt64LE(1n, 24);
  block.writeBigUInt64LE(controlSize === 0 ? 0n : base + BigInt(control), 32);
  block.writeBigUInt64LE(base + BigInt(data), HEADER_SIZE);
  block.writeBigUInt64LE(BigInt(dataSize), HEADER_SIZE + 8);
  block.writeUInt32LE(nameSize, 8);
  block.writeBigUInt64LE(BigInt(controlSize), 40);
  return {
    block,
    data: block.subarray(data),
    control: block.subarray(control, control + controlSize),
    name: block.subarray(name, name + nameSize),
  };
}

/** Restores the available length: recvmsg overwrites it with the used length. */
export function resetControlLength(message: MessageBlock): void {
  message.block.writeBigUInt64LE(BigInt(message.control.length), 40);
}

/** msg_flags after recvmsg. */
export function messageFlags(message: MessageBlock): number {
  return message.block.readInt32LE(48);
}

/** The control messages of SOL_SOCKET after recvmsg: their types and bytes. */
export function controlMessages(message: MessageBlock): { type: number; bytes: Buffer }[] {
  const used = Number(message.block.readBigUInt64LE(40));
  const found: { type: number; bytes: Buffer }[] = [];
  let offset = 0;
  while (offset + CONTROL_HEADER_SIZE <= used) {
    const length = Number(message.control.readBigUInt64LE(offset));
    if (length < CONTROL_HEADER_SIZE || offset + length > used) break;
    if (message.control.readInt32LE(offset + 8) === SOL_SOCKET) {
      const bytes = message.control.subarray(offset + CONTROL_HEADER_SIZE, offset + length);
      found.push({ type: message.control.readInt32LE(offset + 12), bytes });
    }
    offset += align(length);
  }
  return found;
}

/** Number of bytes that control data of this size needs with its header and padding (CMSG_SPACE). */
export function controlSpace(size: number): number {
  return size === 0 ? 0 : CONTROL_HEADER_SIZE + align(size);
}

/** Writes one control message at the start of the block's control area. */
export function writeControlMessage(message: MessageBlock, type: number, bytes: Buffer): void {
  message.control.writeBigUInt64LE(BigInt(CONTROL_HEADER_SIZE + bytes.length), 0);
  message.control.writeInt32LE(SOL_SOCKET, 8);
  message.control.writeInt32LE(type, 12);
  bytes.copy(message.control, CONTROL_HEADER_SIZE);
}

function align(size: number): number {
  return (size + 7) & ~7;
}
