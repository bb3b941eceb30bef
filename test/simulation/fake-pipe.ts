import type { PipeEvents } from '../../src/linux/pipes.ts';

let lastInode = 0;

/** A pipe of the fake kernel: bytes, and how many hold an end of it. */
export class FakePipe {
  readonly inode = ++lastInode;
  /** Ends that can write, in all processes. */
  writers = 0;
  /** Ends that can read, in the supervisor. */
  readers = 0;
  reader: PipeEvents | null = null;
  #bytes = Buffer.alloc(0);

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  /** False when the pipe has no reader (EPIPE). */
  write(bytes: Buffer): boolean {
    if (this.readers === 0) return false;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    return true;
  }

  /** Takes at most so many bytes. */
  read(size: number): Buffer {
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }
}
