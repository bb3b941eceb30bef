import { closeSync, constants, fstatSync, openSync, write } from 'node:fs';
import { ByteQueue } from './byte-queue.ts';
import { codeOf } from './release-error.ts';

/** The calls and the clock that a sink uses, replaceable in tests. */
export interface SinkSystem {
  /** fs.write: calls back with what was written. */
  readonly write: (
    fd: number,
    bytes: Buffer,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ) => void;
  /** Calls back once after `ms`; the result cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

const SYSTEM: SinkSystem = {
  write: (fd, bytes, done) => write(fd, bytes, done),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export interface SinkOptions {
  readonly fd: number;
  /** Bytes that may wait; 8 MiB when left out. */
  readonly limit?: number;
  /** Told once when an episode of dropping is over: how much it was. */
  readonly onDropped?: (lines: number, bytes: number) => void;
  readonly system?: SinkSystem;
}

const LIMIT = 8 * 1024 * 1024;
const BATCH = 256 * 1024;
const FIRST_DELAY = 1;
const LONGEST_DELAY = 100;
const NEWLINE = 10;
// Nobody will ever read: the reader is gone, the descriptor was closed, the terminal hung up.
const FINAL = new Set(['EPIPE', 'EBADF', 'EIO', 'ECONNRESET', 'ENOTCONN']);

/**
 * Writes the output of services to a descriptor without ever holding up the main thread: one write at a time in libuv's pool. What does
 * not fit into the buffer is dropped by whole lines and counted, until half of the buffer is free again. EAGAIN, ENOSPC and the like
 * are tried again with a growing delay; when the reader is gone everything is dropped.
 */
export class Sink {
  readonly #system: SinkSystem;
  readonly #limit: number;
  readonly #onDropped: (lines: number, bytes: number) => void;
  readonly #fd: number;
  readonly #owned: boolean;
  readonly #queue = new ByteQueue();
  #current: Buffer | null = null;
  #delay = FIRST_DELAY;
  #cancelRetry: (() => void) | null = null;
  #closed = false;
  #episode: { lines: number; bytes: number } | null = null;
  readonly #dropped = { lines: 0, bytes: 0 };
  // Whose line has begun and not ended yet.
  #open: object | null = null;
  #idle: (() => void)[] = [];

  constructor(options: SinkOptions) {
    this.#system = options.system ?? SYSTEM;
    this.#limit = options.limit ?? LIMIT;
    this.#onDropped = options.onDropped ?? (() => {});
    const reopened = options.system === undefined ? reopenNonBlocking(options.fd) : null;
    this.#fd = reopened ?? options.fd;
    this.#owned = reopened !== null;
  }

  /** Bytes that wait to be written. */
  get buffered(): number {
    return this.#queue.length + (this.#current?.length ?? 0);
  }

  /** Everything that was ever dropped. */
  get dropped(): { readonly lines: number; readonly bytes: number } {
    return this.#dropped;
  }

  /**
   * Takes whole lines, or a piece of a line that goes on. False when they were dropped. `source` tells apart those who write: a line that
   * one has begun is ended before another's.
   */
  write(bytes: Buffer, source: object, complete = true): boolean {
    const dropping = this.#episode !== null && this.buffered > this.#limit / 2;
    if (this.#closed || dropping || this.buffered + bytes.length > this.#limit) {
      this.drop(bytes);
      return false;
    }
    this.#endEpisode();
    if (this.#open !== null && this.#open !== source) this.#queue.push(Buffer.of(NEWLINE));
    this.#queue.push(bytes);
    this.#open = complete ? null : source;
    this.#pump();
    return true;
  }

  /** Counts what is not written: lines are counted at their newline. */
  drop(bytes: Buffer): void {
    this.#episode ??= { lines: 0, bytes: 0 };
    const lines = countLines(bytes);
    for (const count of [this.#episode, this.#dropped]) {
      count.lines += lines;
      count.bytes += bytes.length;
    }
  }

  /** Ends the line that `source` has begun, where the rest of it was dropped. Goes beyond the limit by its one byte. */
  endLine(source: object): void {
    if (this.#open !== source) return;
    this.#open = null;
    this.#queue.push(Buffer.of(NEWLINE));
    this.#pump();
  }

  /** Waits until everything is written, `deadline` milliseconds at most. False when something is left. */
  async flush(deadline: number): Promise<boolean> {
    if (this.buffered === 0) return true;
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        this.#idle = this.#idle.filter((one) => one !== finish);
        resolve(this.buffered === 0);
      };
      const cancel = this.#system.after(deadline, finish);
      this.#idle.push(finish);
    });
  }

  /** Drops what waits. A write that is under way in the pool is not taken back. */
  close(): void {
    if (this.#closed) return;
    this.#shut();
    if (this.#owned && this.#current === null) closeSync(this.#fd);
  }

  #pump(): void {
    if (this.#current === null && this.#queue.length > 0 && !this.#closed)
      this.#send(this.#queue.take(BATCH));
  }

  #send(bytes: Buffer): void {
    this.#current = bytes;
    this.#system.write(this.#fd, bytes, (error, written) => this.#done(bytes, error, written));
  }

  #done(bytes: Buffer, error: NodeJS.ErrnoException | null, written: number): void {
    if (this.#closed) {
      this.#current = null;
      if (this.#owned) closeSync(this.#fd);
      return;
    }
    if (error === null && written < bytes.length) {
      this.#send(bytes.subarray(written));
    } else if (error === null) {
      this.#delay = FIRST_DELAY;
      this.#current = null;
      if (this.buffered <= this.#limit / 2) this.#endEpisode();
      this.#pump();
      if (this.buffered === 0) this.#wakeIdle();
    } else if (FINAL.has(codeOf(error))) {
      this.#current = null;
      this.drop(bytes);
      this.close();
    } else {
      this.#retryLater(bytes);
    }
  }

  #retryLater(bytes: Buffer): void {
    this.#cancelRetry = this.#system.after(this.#delay, () => {
      this.#cancelRetry = null;
      this.#send(bytes);
    });
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
  }

  #shut(): void {
    this.#closed = true;
    if (this.#cancelRetry !== null) {
      this.#cancelRetry();
      this.#cancelRetry = null;
      if (this.#current !== null) this.drop(this.#current);
      this.#current = null;
    }
    if (this.#queue.length > 0) this.drop(this.#queue.take(Number.POSITIVE_INFINITY));
    this.#wakeIdle();
  }

  #endEpisode(): void {
    const episode = this.#episode;
    this.#episode = null;
    if (episode !== null) this.#onDropped(episode.lines, episode.bytes);
  }

  #wakeIdle(): void {
    for (const finish of [...this.#idle]) finish();
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

// A write that blocks in the pool would keep the process from exiting. O_NONBLOCK lives in the open file description (open(2)), which
// zero shares with whoever started it: so the pipe or the terminal is opened again, through /proc, for a description of its own. A file
// would lose its place and O_APPEND by that, and a socket cannot be opened; they are written to as they are.
function reopenNonBlocking(fd: number): number | null {
  try {
    const stats = fstatSync(fd);
    if (!stats.isFIFO() && !stats.isCharacterDevice()) return null;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return null;
  }
}
