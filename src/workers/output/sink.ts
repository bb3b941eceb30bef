import { after } from '../../common/clock.ts';
import { reasonOf } from '../../common/errors.ts';
import { ByteQueue } from './byte-queue.ts';
import { type OutputTarget, targetOf } from './output-target.ts';

/** The calls and the clock that a sink uses, replaceable in tests. */
export interface SinkSystem {
  readonly open: (fd: number) => OutputTarget;
  /** Calls back once after `ms`; the result cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

const SYSTEM: SinkSystem = {
  open: targetOf,
  after,
};

export type SinkOptions = SinkSettings & ({ readonly fd: number } | { readonly target: OutputTarget });

interface SinkSettings {
  /** Bytes that may wait; 8 MiB when left out. */
  readonly limit?: number;
  /**
   * Called with what was dropped since the last call: at the first drop after 10 quiet seconds, every 10 seconds while
   * more is dropped, and when the reader has caught up or the sink is closed.
   */
  readonly onDropped?: (lines: number, bytes: number) => void;
  /**
   * Told once, until it works again, that writing fails, by the errno's name. `final`: nobody will ever read, and all
   * is dropped.
   */
  readonly onFailed?: (code: string, final: boolean) => void;
  /** Whether an errno means that nobody will ever read; those of pipes, terminals and sockets when left out. */
  readonly isFinal?: (code: string) => boolean;
  /** Milliseconds between two attempts, at most; 100 when left out. */
  readonly maxDelay?: number;
  readonly system?: SinkSystem;
}

const LIMIT = 8 * 1024 * 1024;
const BATCH = 256 * 1024;
const FIRST_DELAY = 1;
const MAX_DELAY = 100;
/** Between two reports of what is dropped. */
const REPORT_INTERVAL = 10_000;
const NEWLINE = 10;
// Nobody will ever read: the reader is gone, the descriptor was closed, the terminal hung up.
const FINAL = new Set(['EPIPE', 'EBADF', 'EIO', 'ECONNRESET', 'ENOTCONN']);

/**
 * Writes the output of services to a descriptor without ever holding up the main thread, one write at a time. What does
 * not fit into the buffer is dropped by whole lines and counted, until half of the buffer is free again. EAGAIN, ENOSPC
 * and the like are tried again with a growing delay; when the reader is gone everything is dropped.
 */
export class Sink {
  readonly #system: SinkSystem;
  readonly #limit: number;
  readonly #onDropped: (lines: number, bytes: number) => void;
  readonly #onFailed: (code: string, final: boolean) => void;
  readonly #isFinal: (code: string) => boolean;
  readonly #maxDelay: number;
  readonly #target: OutputTarget;
  readonly #queue = new ByteQueue();
  #current: Buffer | null = null;
  #delay = FIRST_DELAY;
  #cancelRetry: (() => void) | null = null;
  #failing = false;
  #closed = false;
  #dropping = false;
  #unreported = { lines: 0, bytes: 0 };
  #cancelReport: (() => void) | null = null;
  readonly #dropped = { lines: 0, bytes: 0 };
  // Whose line has begun and not ended yet.
  #open: object | null = null;
  #idle: (() => void)[] = [];

  constructor(options: SinkOptions) {
    this.#system = options.system ?? SYSTEM;
    this.#limit = options.limit ?? LIMIT;
    this.#onDropped = options.onDropped ?? (() => {});
    this.#onFailed = options.onFailed ?? (() => {});
    this.#isFinal = options.isFinal ?? ((code) => FINAL.has(code));
    this.#maxDelay = options.maxDelay ?? MAX_DELAY;
    this.#target = 'target' in options ? options.target : this.#system.open(options.fd);
  }

  /** Bytes that wait to be written. */
  get buffered(): number {
    return this.#queue.length + (this.#current?.length ?? 0);
  }

  /** Everything that was ever dropped. */
  get dropped(): { readonly lines: number; readonly bytes: number } {
    return this.#dropped;
  }

  /** True when nothing is written any more: it was closed, or nobody reads. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Takes whole lines, or a piece of a line that goes on. False when they were dropped. `source` tells apart those who
   * write: a line that one has begun is ended before another's.
   */
  write(bytes: Buffer, source: object, complete = true): boolean {
    const taken = this.offer(bytes, source, complete);
    if (!taken) this.drop(bytes);
    return taken;
  }

  /** The same for somebody who keeps what is not taken and tries again: it is not counted. */
  offer(bytes: Buffer, source: object, complete = true): boolean {
    const behind = this.#dropping && this.buffered > this.#limit / 2;
    if (this.#closed || behind || this.buffered + bytes.length > this.#limit) return false;
    this.#endDropping();
    if (this.#open !== null && this.#open !== source) this.#queue.push(Buffer.of(NEWLINE));
    this.#queue.push(bytes);
    this.#open = complete ? null : source;
    this.#pump();
    return true;
  }

  /** Counts what is not written: lines are counted at their newline. */
  drop(bytes: Buffer): void {
    this.#count(bytes);
    // Of a closed sink the failure was reported, or zero stops.
    if (this.#closed) return;
    this.#dropping = true;
    if (this.#cancelReport === null) this.#reportAndRepeat();
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
    if (this.#current === null) this.#target.close();
  }

  #pump(): void {
    if (this.#current === null && this.#queue.length > 0 && !this.#closed)
      this.#send(this.#queue.take(BATCH));
  }

  #send(bytes: Buffer): void {
    this.#current = bytes;
    this.#target.write(bytes, (error, written) => this.#done(bytes, error, written));
  }

  #done(bytes: Buffer, error: NodeJS.ErrnoException | null, written: number): void {
    if (this.#closed) {
      this.#current = null;
      this.#target.close();
      return;
    }
    if (error === null) this.#failing = false;
    else this.#failed(reasonOf(error));
    if (error === null && written < bytes.length) {
      this.#send(bytes.subarray(written));
    } else if (error === null) {
      this.#delay = FIRST_DELAY;
      this.#current = null;
      if (this.buffered <= this.#limit / 2) this.#endDropping();
      this.#pump();
      if (this.buffered === 0) this.#wakeIdle();
    } else if (this.#isFinal(reasonOf(error))) {
      this.#current = null;
      this.#count(bytes);
      this.close();
    } else {
      this.#retryLater(bytes);
    }
  }

  #failed(code: string): void {
    if (code === 'EAGAIN' || this.#failing) return;
    this.#failing = true;
    this.#onFailed(code, this.#isFinal(code));
  }

  #retryLater(bytes: Buffer): void {
    this.#cancelRetry = this.#system.after(this.#delay, () => {
      this.#cancelRetry = null;
      this.#send(bytes);
    });
    this.#delay = Math.min(this.#delay * 2, this.#maxDelay);
  }

  #shut(): void {
    this.#closed = true;
    if (this.#cancelRetry !== null) {
      this.#cancelRetry();
      this.#cancelRetry = null;
      if (this.#current !== null) this.#count(this.#current);
      this.#current = null;
    }
    if (this.#queue.length > 0) this.#count(this.#queue.take(Number.POSITIVE_INFINITY));
    this.#cancelReport?.();
    this.#endDropping();
    this.#wakeIdle();
  }

  #count(bytes: Buffer): void {
    const lines = countLines(bytes);
    for (const count of [this.#unreported, this.#dropped]) {
      count.lines += lines;
      count.bytes += bytes.length;
    }
  }

  /**
   * The timer runs only while something is dropped: without news it is not set again, and the next drop is reported at
   * once.
   */
  #reportAndRepeat(): void {
    const hasNews = this.#unreported.bytes > 0;
    this.#cancelReport = hasNews ? this.#system.after(REPORT_INTERVAL, () => this.#reportAndRepeat()) : null;
    this.#report();
  }

  #report(): void {
    const { lines, bytes } = this.#unreported;
    if (bytes === 0) return;
    this.#unreported = { lines: 0, bytes: 0 };
    this.#onDropped(lines, bytes);
  }

  /** The timer keeps running, so that a reader who is always a little too slow does not cause two reports each time. */
  #endDropping(): void {
    this.#dropping = false;
    this.#report();
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
