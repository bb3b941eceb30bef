import { addressOf } from './libc.ts';

// recvmmsg(2) on 64-bit Linux: struct mmsghdr is a struct msghdr of 56 bytes and the received length, padded to 64.
// struct iovec is 16 bytes.
const HEADER_SIZE = 64;
const IOVEC_SIZE = 16;
const LENGTH = 56;

/** Space for the data of several messages that one recvmmsg(2) receives. Addresses and control data are left out. */
export class MessageBatch {
  /** Begins with the array of struct mmsghdr. */
  readonly block: Buffer;
  readonly count: number;
  readonly #size: number;

  /**
   * @param count maximum number of messages
   * @param size maximum bytes of each, a multiple of 8
   */
  constructor(count: number, size: number) {
    this.count = count;
    this.#size = size;
    // Most dumps fill one message, so the memory of the others stays untouched.
    this.block = Buffer.allocUnsafeSlow(this.#dataAt(count)).fill(0, 0, this.#dataAt(0));
    const base = addressOf(this.block);
    for (let index = 0; index < count; index += 1) {
      const iovec = count * HEADER_SIZE + index * IOVEC_SIZE;
      this.block.writeBigUInt64LE(base + BigInt(iovec), index * HEADER_SIZE + 16);
      this.block.writeBigUInt64LE(1n, index * HEADER_SIZE + 24);
      this.block.writeBigUInt64LE(base + BigInt(this.#dataAt(index)), iovec);
      this.block.writeBigUInt64LE(BigInt(size), iovec + 8);
    }
  }

  /** The data of a received message. The next receive overwrites it. */
  data(index: number): Buffer {
    const start = this.#dataAt(index);
    return this.block.subarray(start, start + this.block.readUInt32LE(index * HEADER_SIZE + LENGTH));
  }

  #dataAt(index: number): number {
    return this.count * (HEADER_SIZE + IOVEC_SIZE) + index * this.#size;
  }
}
