import type { Timers } from '../common/clock.ts';
import type { Writer, Written } from './writer.ts';

export interface LineSinkOptions {
  readonly writer: Writer;
  readonly timers: Timers;
  /** Maximum bytes of waiting lines; 8 MiB if omitted. */
  readonly limit?: number;
  /** Called once when writing fails, until it works again. */
  readonly failed: (error: NodeJS.ErrnoException) => void;
  /** Called when there is space again after this many lines were dropped. Returns a line that reports them. */
  readonly dropped: (lines: number) => string;
}

const LIMIT = 8 * 1024 * 1024;
const CHUNK = 64 * 1024;
// Milliseconds until the next attempt with a full pipe or a stopped terminal, and after a disk error. No event
// announces that they are writable again.
const FULL_PAUSE = 50;
const FAILURE_PAUSE = 1000;

/**
 * A queue of lines for a slow target: in order, whole, at most `limit` bytes. Drops and counts further lines while the
 * queue is full. Each line ends with its newline.
 */
export class LineSink {
  readonly #options: LineSinkOptions;
  readonly #limit: number;
  #writer: Writer;
  #retired: Writer[] = [];
  #lines: string[] = [];
  #chunk = Buffer.alloc(0);
  #waiting = 0;
  #busy = false;
  #dropped = 0;
  #failing = false;
  #broken = false;
  #timer: unknown = null;
  #idle: (() => void)[] = [];

  constructor(options: LineSinkOptions) {
    this.#options = options;
    this.#writer = options.writer;
    this.#limit = options.limit ?? LIMIT;
  }

  /** Returns false if the line was dropped. */
  write(line: string): boolean {
    const length = Buffer.byteLength(line);
    if (this.#broken || this.#waiting + length > this.#limit) {
      this.#dropped += 1;
      return false;
    }
    if (this.#dropped > 0) this.#reportDropped();
    this.#lines.push(line);
    this.#waiting += length;
    this.#pump();
    return true;
  }

  /** Resolves when no line waits, or writing has failed permanently. */
  drained(): Promise<void> {
    if (this.#waiting === 0 || this.#broken) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /**
   * Continues with another writer, from the byte where the old one stopped. Closes the old one when its write is done.
   */
  replace(writer: Writer): void {
    this.#retired.push(this.#writer);
    this.#writer = writer;
    this.#broken = false;
    this.#options.timers.clear(this.#timer);
    this.#timer = null;
    if (!this.#busy) this.#closeRetired();
    this.#pump();
  }

  /**
   * Called at the end of the process. Writes as much as possible at once, and waits at most `budget` milliseconds for
   * space.
   */
  flushNow(budget: number): void {
    const wait = new Int32Array(new SharedArrayBuffer(4));
    let left = budget;
    while (this.#refill()) {
      const written = this.#writer.writeNow(this.#chunk);
      if ('bytes' in written) this.#advance(written.bytes);
      else if (written.error.code !== 'EAGAIN' || left <= 0) return;
      else {
        Atomics.wait(wait, 0, 0, 5);
        left -= 5;
      }
    }
  }

  /** Drops the waiting lines. */
  close(): void {
    this.#broken = true;
    this.#options.timers.clear(this.#timer);
    this.#writer.close();
  }

  #reportDropped(): void {
    const line = this.#options.dropped(this.#dropped);
    this.#dropped = 0;
    this.#lines.push(line);
    this.#waiting += Buffer.byteLength(line);
  }

  #pump(): void {
    if (this.#busy || this.#timer !== null) return;
    while (this.#refill()) {
      let returned = false;
      this.#busy = true;
      this.#writer.write(this.#chunk, (written) => {
        this.#busy = false;
        this.#closeRetired();
        this.#take(written);
        // If write() called back before it returned, the loop below continues.
        if (returned) this.#pump();
      });
      returned = true;
      if (this.#busy || this.#timer !== null || this.#broken) return;
    }
    for (const idle of this.#idle.splice(0)) idle();
  }

  #closeRetired(): void {
    for (const writer of this.#retired.splice(0)) writer.close();
  }

  #take(written: Written): void {
    if ('bytes' in written) {
      this.#failing = false;
      this.#advance(written.bytes);
      return;
    }
    const { error } = written;
    if (error.code === 'EAGAIN') {
      this.#pause(FULL_PAUSE);
      return;
    }
    if (!this.#failing) this.#options.failed(error);
    this.#failing = true;
    // The other end has no reader any more and never will.
    if (error.code === 'EPIPE' || error.code === 'EBADF' || error.code === 'ECONNRESET') this.#giveUp();
    else this.#pause(FAILURE_PAUSE);
  }

  #pause(ms: number): void {
    this.#timer = this.#options.timers.set(ms, () => {
      this.#timer = null;
      this.#pump();
    });
  }

  #giveUp(): void {
    this.#broken = true;
    this.#lines = [];
    this.#chunk = Buffer.alloc(0);
    this.#waiting = 0;
    for (const idle of this.#idle.splice(0)) idle();
  }

  /** Fills the chunk with waiting lines after the last one was written. Returns false if no line waits. */
  #refill(): boolean {
    if (this.#chunk.length > 0) return true;
    let bytes = 0;
    let count = 0;
    for (const line of this.#lines) {
      if (bytes >= CHUNK) break;
      bytes += line.length;
      count += 1;
    }
    if (count === 0) return false;
    this.#chunk = Buffer.from(this.#lines.splice(0, count).join(''));
    return true;
  }

  #advance(bytes: number): void {
    this.#chunk = this.#chunk.subarray(bytes);
    this.#waiting -= bytes;
  }
}
