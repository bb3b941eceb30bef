import { after } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import { ByteQueue } from './byte-queue.ts';
import { targetOf, type WriteTarget } from './target.ts';

/** The calls and the clock that a sink uses, replaceable in tests. */
export interface SinkSystem {
  readonly open: (fd: number) => WriteTarget;
  /** Calls back once after `ms`; the result cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

const SYSTEM: SinkSystem = { open: (fd) => targetOf(fd, 'pool'), after };

export type SinkOptions = SinkSettings & ({ readonly fd: number } | { readonly target: WriteTarget });

interface SinkSettings {
  /** Maximum bytes that wait; 8 MiB by default. */
  readonly limit?: number;
  /**
   * Called with the number of lines and bytes that were dropped since the last call: at the first drop after 10 quiet
   * seconds, every 10 seconds while more is dropped, and when the reader has caught up or the sink is closed.
   */
  readonly onDropped?: (lines: number, bytes: number) => void;
  /**
   * Formats the line that reports dropped lines. It is written where they are missing, before the next line. Replaces
   * `onDropped`.
   */
  readonly dropNotice?: (lines: number) => string;
  /**
   * Called once, until a write succeeds again, with the errno name. `final`: no process will ever read, and everything
   * is dropped.
   */
  readonly onFailed?: (code: string, final: boolean) => void;
  /** Whether an errno means that no process will ever read. Default: those of pipes, terminals and sockets. */
  readonly isFinal?: (code: string) => boolean;
  /**
   * Milliseconds until the next attempt after this errno. `attempt` counts from 0 since the last successful write. By
   * default 1 ms, doubled for each attempt up to 100 ms.
   */
  readonly delay?: (code: string, attempt: number) => number;
  readonly system?: Partial<SinkSystem>;
}

const LIMIT = 8 * 1024 * 1024;
const BATCH = 256 * 1024;
const MAX_DELAY = 100;
/** Time between two reports of dropped lines. */
const REPORT_INTERVAL = 10_000;
/** Pause between two attempts of `flushNow`. */
const FLUSH_PAUSE = 5;
const NEWLINE = 10;
// No process will ever read: the reader has exited, the descriptor was closed, the terminal hung up.
const FINAL = new Set(['EPIPE', 'EBADF', 'EIO', 'ECONNRESET', 'ENOTCONN']);

/** A delay that starts at 1 ms and doubles with each attempt, up to `max`. */
export const growingDelay =
  (max: number) =>
  (_: string, attempt: number): number =>
    Math.min(2 ** attempt, max);

/**
 * Writes lines to a slow target, one write at a time, without blocking the main thread. Lines that do not fit into the
 * buffer are dropped as a whole and counted, until half of the buffer is free again. EAGAIN, ENOSPC and similar errors
 * are retried after a delay. If no process will ever read, everything is dropped.
 */
export class Sink {
  readonly #after: SinkSystem['after'];
  readonly #limit: number;
  readonly #onDropped: (lines: number, bytes: number) => void;
  readonly #dropNotice: ((lines: number) => string) | null;
  readonly #onFailed: (code: string, final: boolean) => void;
  readonly #isFinal: (code: string) => boolean;
  readonly #delay: (code: string, attempt: number) => number;
  #target: WriteTarget;
  /** Targets that were replaced during a write, which still uses one of them. */
  #replaced: WriteTarget[] = [];
  readonly #queue = new ByteQueue();
  /** The batch that is being written, without the bytes that were already written. */
  #current: Buffer | null = null;
  #isWriting = false;
  #isPumping = false;
  #attempt = 0;
  #cancelRetry: (() => void) | null = null;
  #failing = false;
  #closed = false;
  #dropping = false;
  #unreported = { lines: 0, bytes: 0 };
  #cancelReport: (() => void) | null = null;
  readonly #dropped = { lines: 0, bytes: 0 };
  /** The source of an unfinished line. */
  #open: object | null = null;
  #idle: (() => void)[] = [];

  constructor(options: SinkOptions) {
    const system = { ...SYSTEM, ...options.system };
    this.#after = system.after;
    this.#limit = options.limit ?? LIMIT;
    this.#onDropped = options.onDropped ?? (() => {});
    this.#dropNotice = options.dropNotice ?? null;
    this.#onFailed = options.onFailed ?? (() => {});
    this.#isFinal = options.isFinal ?? ((code) => FINAL.has(code));
    this.#delay = options.delay ?? growingDelay(MAX_DELAY);
    this.#target = 'target' in options ? options.target : system.open(options.fd);
  }

  /** Bytes that wait to be written. */
  get buffered(): number {
    return this.#queue.length + (this.#current?.length ?? 0);
  }

  /** The lines and bytes that were dropped since the start. */
  get dropped(): { readonly lines: number; readonly bytes: number } {
    return this.#dropped;
  }

  /** Whether the sink no longer writes: it was closed, or no process reads. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Takes whole lines, or with `complete` false a piece of an unfinished line. Returns false if they were dropped.
   * `source` distinguishes the writers: an unfinished line is ended before another writer's line.
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
    this.#pushNotice();
    this.#queue.push(bytes);
    this.#open = complete ? null : source;
    this.#pump();
    return true;
  }

  /** Counts unwritten bytes. A line is counted at its newline. */
  drop(bytes: Buffer): void {
    this.#count(bytes);
    // The failure that closed the sink was reported, or zero stops.
    if (this.#closed) return;
    this.#dropping = true;
    if (this.#cancelReport === null && this.#dropNotice === null) this.#reportAndRepeat();
  }

  /** Ends the unfinished line of `source` after its rest was dropped. Exceeds the limit by that one byte. */
  endLine(source: object): void {
    if (this.#open !== source) return;
    this.#open = null;
    this.#queue.push(Buffer.of(NEWLINE));
    this.#pump();
  }

  /** Waits until everything is written or dropped, for at most `deadline` milliseconds. False if bytes are left. */
  async flush(deadline: number | null = null): Promise<boolean> {
    if (this.buffered === 0) return true;
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        this.#idle = this.#idle.filter((one) => one !== finish);
        resolve(this.buffered === 0);
      };
      const cancel = deadline === null ? () => {} : this.#after(deadline, finish);
      this.#idle.push(finish);
    });
  }

  /** At the end of the process: writes at once, and waits for space for at most `budget` milliseconds. */
  flushNow(budget: number): void {
    const { writeNow } = this.#target;
    const wait = new Int32Array(new SharedArrayBuffer(4));
    let left = budget;
    while (writeNow !== undefined && this.#refill() && this.#current !== null) {
      try {
        this.#advance(writeNow(this.#current));
      } catch (error) {
        if (reasonOf(error) !== 'EAGAIN' || left <= 0) return;
        Atomics.wait(wait, 0, 0, FLUSH_PAUSE);
        left -= FLUSH_PAUSE;
      }
    }
  }

  /** Continues with another target, at the byte where the old one stopped. Also reopens a sink without a reader. */
  replace(target: WriteTarget): void {
    if (this.#isWriting) this.#replaced.push(this.#target);
    else if (!this.#closed) this.#target.close();
    this.#target = target;
    this.#closed = false;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#pump();
  }

  /** Drops the waiting bytes. A write that the pool has begun is not cancelled. */
  close(): void {
    if (this.#closed) return;
    this.#shut();
    if (!this.#isWriting) this.#target.close();
  }

  /** Writes until a write is in progress, has failed, or nothing waits. */
  #pump(): void {
    // A target that calls back at once calls this again; the loop of the first call continues.
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.#isWriting && this.#cancelRetry === null && !this.#closed && this.#refill()) this.#send();
    this.#isPumping = false;
  }

  /** Takes the next batch if the last one is written. False if nothing waits. */
  #refill(): boolean {
    if (this.#current === null && this.#queue.length > 0) this.#current = this.#queue.take(BATCH);
    return this.#current !== null;
  }

  #send(): void {
    if (this.#current === null) return;
    this.#isWriting = true;
    this.#target.write(this.#current, (error, written) => this.#done(error, written));
  }

  #done(error: NodeJS.ErrnoException | null, written: number): void {
    this.#isWriting = false;
    for (const target of this.#replaced.splice(0)) target.close();
    if (this.#closed) {
      this.#current = null;
      this.#target.close();
      return;
    }
    if (error === null) this.#succeeded(written);
    else this.#failed(reasonOf(error));
    this.#pump();
    if (this.buffered === 0) this.#wakeIdle();
  }

  #succeeded(written: number): void {
    this.#failing = false;
    this.#advance(written);
    if (this.#current !== null) return;
    this.#attempt = 0;
    if (this.buffered <= this.#limit / 2) this.#endDropping();
  }

  #advance(written: number): void {
    const left = this.#current?.subarray(written);
    this.#current = left !== undefined && left.length > 0 ? left : null;
  }

  #failed(code: string): void {
    const isFinal = this.#isFinal(code);
    if (code !== 'EAGAIN' && !this.#failing) {
      this.#failing = true;
      this.#onFailed(code, isFinal);
    }
    if (isFinal) this.close();
    else this.#retryLater(code);
  }

  #retryLater(code: string): void {
    this.#cancelRetry = this.#after(this.#delay(code, this.#attempt), () => {
      this.#cancelRetry = null;
      this.#pump();
    });
    this.#attempt += 1;
  }

  #shut(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    if (this.#current !== null && !this.#isWriting) {
      this.#count(this.#current);
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
   * The timer runs only while bytes are dropped. Without new drops it is not set again, and the next drop is reported
   * at once.
   */
  #reportAndRepeat(): void {
    const hasNews = this.#unreported.bytes > 0;
    this.#cancelReport = hasNews ? this.#after(REPORT_INTERVAL, () => this.#reportAndRepeat()) : null;
    this.#report();
  }

  #report(): void {
    if (this.#dropNotice !== null) return;
    const { lines, bytes } = this.#takeUnreported();
    if (bytes > 0) this.#onDropped(lines, bytes);
  }

  /** Exceeds the limit by the notice. */
  #pushNotice(): void {
    if (this.#dropNotice === null || this.#unreported.bytes === 0) return;
    this.#queue.push(Buffer.from(this.#dropNotice(this.#takeUnreported().lines)));
  }

  #takeUnreported(): { readonly lines: number; readonly bytes: number } {
    const unreported = this.#unreported;
    this.#unreported = { lines: 0, bytes: 0 };
    return unreported;
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
