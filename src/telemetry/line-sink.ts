import type { Timers } from '../common/clock.ts';
import type { Writer, Written } from './writer.ts';

export interface LineSinkOptions {
  readonly writer: Writer;
  readonly timers: Timers;
  /** Bytes that may wait to be written; 8 MiB where it is left out. */
  readonly limit?: number;
  /** Writing failed; said once until it works again. */
  readonly failed: (error: NodeJS.ErrnoException) => void;
  /** There is room again after so many lines were dropped. Returns a line that says so. */
  readonly dropped: (lines: number) => string;
}

const LIMIT = 8 * 1024 * 1024;
const CHUNK = 64 * 1024;
// A full pipe or a stopped terminal is asked again, after a failed disk later: there is nothing that tells.
const FULL_PAUSE = 50;
const FAILURE_PAUSE = 1000;

/**
 * Lines on their way to a slow place: in order, whole, at most `limit` bytes of them. What comes when that is full is dropped and counted.
 * Each line ends with its newline.
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

  /** False where the line was dropped. */
  write(line: string): boolean {
    const length = Buffer.byteLength(line);
    if (this.#broken || this.#waiting + length > this.#limit) {
      this.#dropped += 1;
      return false;
    }
    if (this.#dropped > 0) this.#confess();
    this.#lines.push(line);
    this.#waiting += length;
    this.#pump();
    return true;
  }

  /** Resolves when nothing waits any more, or nothing ever will be written. */
  drained(): Promise<void> {
    if (this.#waiting === 0 || this.#broken) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Goes on with another writer, from the byte where the old one stopped; the old one is closed when it is done. */
  replace(writer: Writer): void {
    this.#retired.push(this.#writer);
    this.#writer = writer;
    this.#broken = false;
    this.#options.timers.clear(this.#timer);
    this.#timer = null;
    if (!this.#busy) this.#closeRetired();
    this.#pump();
  }

  /** At the end of the process: writes what it can at once and waits no longer than `budget` milliseconds for room. */
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

  /** What still waits is lost. */
  close(): void {
    this.#broken = true;
    this.#options.timers.clear(this.#timer);
    this.#writer.close();
  }

  #confess(): void {
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
        // Inside of write() the loop goes on by itself.
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
    // Nobody will ever read the other end again.
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

  /** Makes the next chunk of waiting lines where the last is done; false when nothing waits. */
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
