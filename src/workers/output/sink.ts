import { after } from '../../common/clock.ts';
import { reasonOf } from '../../common/errors.ts';
import { ByteQueue } from './byte-queue.ts';
import { type OutputTarget, targetOf } from './output-target.ts';

/** The system calls and the clock of a sink, replaceable in tests. */
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
  /** Maximum number of waiting bytes. Default: 8 MiB. */
  readonly limit?: number;
  /**
   * Called with the output dropped since the last call: at the first drop after 10 quiet seconds, every 10 seconds
   * while more is dropped, and when the reader has caught up or the sink is closed.
   */
  readonly onDropped?: (lines: number, bytes: number) => void;
  /**
   * Called when writing fails, with the errno name: once, until it works again. `final`: no process will ever read, and
   * all output is dropped.
   */
  readonly onFailed?: (code: string, final: boolean) => void;
  /** Whether an errno means that no process will ever read. Default: those of pipes, terminals and sockets. */
  readonly isFinal?: (code: string) => boolean;
  /** Maximum milliseconds between two attempts. Default: 100. */
  readonly maxDelay?: number;
  readonly system?: SinkSystem;
}

const LIMIT = 8 * 1024 * 1024;
const BATCH = 256 * 1024;
const FIRST_DELAY = 1;
const MAX_DELAY = 100;
/** Milliseconds between two reports of dropped output. */
const REPORT_INTERVAL = 10_000;
const NEWLINE = 10;
// No process will ever read: the reader exited, the descriptor was closed, the terminal hung up.
const FINAL = new Set(['EPIPE', 'EBADF', 'EIO', 'ECONNRESET', 'ENOTCONN']);

/**
 * Writes the output of services to a descriptor without blocking the main thread, one write at a time. Output that does
 * not fit into the buffer is dropped by whole lines and counted, until half of the buffer is free again. EAGAIN, ENOSPC
 * and similar errors are retried with a growing delay. When the reader has exited, everything is dropped.
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
  // The source of the unfinished line.
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

  /** Total of all dropped output. */
  get dropped(): { readonly lines: number; readonly bytes: number } {
    return this.#dropped;
  }

  /** Whether the sink no longer writes: it was closed, or no process reads. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Takes whole lines, or a piece of an unfinished line. False if they were dropped. `source` distinguishes the
   * writers: an unfinished line is ended before another writer's output.
   */
  write(bytes: Buffer, source: object, complete = true): boolean {
    const taken = this.offer(bytes, source, complete);
    if (!taken) this.drop(bytes);
    return taken;
  }

  /** The same for a caller that keeps refused output and tries again: that output is not counted as dropped. */
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

  /** Counts unwritten output: a line counts at its newline. */
  drop(bytes: Buffer): void {
    this.#count(bytes);
    // The failure of a closed sink was reported, or zero stops.
    if (this.#closed) return;
    this.#dropping = true;
    if (this.#cancelReport === null) this.#reportAndRepeat();
  }

  /** Ends the unfinished line of `source` after its rest was dropped. May exceed the limit by this one byte. */
  endLine(source: object): void {
    if (this.#open !== source) return;
    this.#open = null;
    this.#queue.push(Buffer.of(NEWLINE));
    this.#pump();
  }

  /** Waits up to `deadline` milliseconds until everything is written. False if output is left. */
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

  /** Drops the waiting output. A write that is in progress in the pool is not cancelled. */
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
   * The timer runs only while output is dropped. Without new drops it is not set again, and the next drop is reported
   * at once.
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

  /**
   * The timer keeps running, so that a reader that is always slightly too slow does not cause two reports each time.
   */
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
