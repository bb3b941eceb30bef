import type { PipeEvents } from '../../src/linux/pipes.ts';

let lastInode = 0;

/** A pipe of the fake kernel: its bytes, and the number of its open ends. */
export class FakePipe {
  readonly inode = ++lastInode;
  /** Open writing ends in all processes. */
  writers = 0;
  /** Open reading ends in the supervisor. */
  readers = 0;
  reader: PipeEvents | null = null;
  #bytes = Buffer.alloc(0);

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  /** The process also holds a reading end. Without another reader the bytes wait for the next supervisor. */
  write(bytes: Buffer): boolean {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    return true;
  }

  /** Reads at most this many bytes. */
  read(size: number): Buffer {
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }
}
