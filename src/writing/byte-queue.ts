const SLAB = 16 * 1024;

/** A FIFO queue of bytes. Small pieces are copied together, so that a million short lines are not a million objects. */
export class ByteQueue {
  #pieces: Buffer[] = [];
  #length = 0;
  // The unused part of the memory that the last piece was copied into.
  #free: Buffer = Buffer.alloc(0);

  get length(): number {
    return this.#length;
  }

  push(bytes: Buffer): void {
    this.#length += bytes.length;
    const last = this.#pieces.at(-1);
    if (last !== undefined && bytes.length <= this.#free.length) {
      bytes.copy(this.#free);
      this.#free = this.#free.subarray(bytes.length);
      this.#pieces[this.#pieces.length - 1] = Buffer.from(
        last.buffer,
        last.byteOffset,
        last.length + bytes.length,
      );
      return;
    }
    if (last === undefined || bytes.length > SLAB / 4) {
      this.#free = Buffer.alloc(0);
      this.#pieces.push(bytes);
      return;
    }
    const slab = Buffer.allocUnsafeSlow(SLAB);
    bytes.copy(slab);
    this.#pieces.push(slab.subarray(0, bytes.length));
    this.#free = slab.subarray(bytes.length);
  }

  /** Takes whole pieces from the front: at least one, then more as long as they stay below `size` bytes. */
  take(size: number): Buffer {
    let count = 0;
    let length = 0;
    for (const piece of this.#pieces) {
      if (count > 0 && length + piece.length > size) break;
      count += 1;
      length += piece.length;
    }
    const taken = this.#pieces.splice(0, count);
    if (this.#pieces.length === 0) this.#free = Buffer.alloc(0);
    this.#length -= length;
    const [first] = taken;
    return taken.length === 1 && first !== undefined ? first : Buffer.concat(taken, length);
  }
}
