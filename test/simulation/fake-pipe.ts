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

  /** A process has its end for reading, too: without another reader the bytes wait for the next supervisor. */
  write(bytes: Buffer): boolean {
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
