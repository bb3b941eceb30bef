import type { DescriptorCalls } from '../../linux/kernel.ts';
import { OUTPUT_PIPE_SIZE, type PipeReader } from '../../linux/pipes.ts';
import type { LineReceiver } from './line-forwarder.ts';
import { LineSplitter } from './line-splitter.ts';
import { Tail } from './tail.ts';

export interface OutputOptions {
  /** Where the output goes. Null keeps only the tail. */
  readonly stdout: LineReceiver | null;
  readonly stderr: LineReceiver | null;
  /** Owner of the pipes, so that the service may open /dev/stdout. Null: the supervisor stays the owner. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** Called with everything that is read: whole lines, or a piece of an unfinished one. The bytes are only borrowed. */
  readonly record?: (stream: 'stdout' | 'stderr', bytes: Buffer) => void;
  /** Number of lines kept for reports. Default: 200. */
  readonly tailLines?: number;
}

/** An opened pipe. `childEnd` is null for the pipe of a process that already runs. */
interface OpenPipe {
  readonly read: number;
  readonly childEnd: number | null;
}

/**
 * The output of one process: two pipes whose other ends the process gets as 1 and 2. Those ends are open for reading,
 * too, so that a service that outlives the supervisor can keep writing (no SIGPIPE while a reader exists, fifo(7)).
 * End-of-file therefore only means that the process and all heirs of its descriptors have exited, and nothing here
 * waits for it.
 */
export class WorkerOutput {
  readonly #tail: Tail;
  readonly #streams: Stream[] = [];

  /**
   * Throws SystemError or the file system's error (EMFILE, ENFILE) and leaves nothing open.
   * @param open opens the pipe of a stream; null: the stream has none. Default: a new pipe
   */
  private constructor(
    kernel: DescriptorCalls,
    options: OutputOptions,
    open: (name: 'stdout' | 'stderr') => OpenPipe | null,
  ) {
    this.#tail = new Tail(options.tailLines);
    const record = options.record ?? (() => {});
    const keep = (name: 'stdout' | 'stderr') => (bytes: Buffer, complete: boolean) => {
      this.#tail.add(bytes, complete);
      record(name, bytes);
    };
    try {
      for (const name of ['stdout', 'stderr'] as const)
        this.#streams.push(new Stream(kernel, options[name], keep(name), open(name)));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Opens both pipes. Throws SystemError or the file system's error (EMFILE, ENFILE) and leaves nothing open. */
  static open(kernel: DescriptorCalls, options: OutputOptions): WorkerOutput {
    return new WorkerOutput(kernel, options, () => kernel.openOutputPipe(options.owner));
  }

  /**
   * Continues reading the output of a process that another supervisor started.
   * @param pipes the read ends of its pipes, which this object owns from now on; null: unknown, that stream is lost
   */
  static reopen(
    kernel: DescriptorCalls,
    options: OutputOptions,
    pipes: { readonly stdout: number | null; readonly stderr: number | null },
  ): WorkerOutput {
    const output = new WorkerOutput(kernel, options, (name) => {
      const read = pipes[name];
      return read === null ? null : { read, childEnd: null };
    });
    for (const stream of output.#streams) stream.read();
    return output;
  }

  /** The inodes of the pipes, by which another supervisor finds them in the process. Null for a stream without one. */
  get inodes(): { stdout: number | null; stderr: number | null } {
    const [stdout, stderr] = this.#streams;
    return { stdout: stdout?.inode ?? null, stderr: stderr?.inode ?? null };
  }

  /** The descriptors that the process gets as 1 and 2. */
  get childEnds(): { stdout: number; stderr: number } {
    const [stdout, stderr] = this.#streams;
    return { stdout: stdout?.childEnd ?? -1, stderr: stderr?.childEnd ?? -1 };
  }

  /** Call this once the process has its own copies. Its output is read from now on. */
  closeChildEnds(): void {
    for (const stream of this.#streams) stream.handedOver();
  }

  /** The last lines of both streams, in the order in which they were read. */
  lines(count?: number): string[] {
    return this.#tail.lines(count);
  }

  /**
   * Reads the current content of the pipes without waiting, and ends an open line. After the exit of the process, this
   * is its last output.
   */
  drain(): void {
    for (const stream of this.#streams) stream.drain();
  }

  /** Whether the process and all heirs of its output descriptors have exited. */
  get ended(): boolean {
    return this.#streams.every((stream) => stream.ended);
  }

  /** Reads the current content and closes the pipes. Idempotent. */
  close(): void {
    for (const stream of this.#streams) stream.close();
  }
}

/** The buffer of every drain(): only one drain runs at a time, and it ends in the same turn. */
const chunk = Buffer.allocUnsafeSlow(64 * 1024);

class Stream {
  readonly #kernel: DescriptorCalls;
  readonly #splitter: LineSplitter;
  #reader: PipeReader | null = null;
  readonly #fd: number;
  #childEnd: number | null;
  #inode: number | null = null;
  ended: boolean;

  constructor(
    kernel: DescriptorCalls,
    forwarder: LineReceiver | null,
    keep: (bytes: Buffer, complete: boolean) => void,
    pipe: OpenPipe | null,
  ) {
    this.#splitter = new LineSplitter((bytes, complete) => {
      keep(bytes, complete);
      forwarder?.add(bytes, complete);
    });
    this.#kernel = kernel;
    this.#fd = pipe?.read ?? -1;
    this.#childEnd = pipe?.childEnd ?? null;
    this.ended = pipe === null;
  }

  /** Read on first use, so that a start need not wait for it. */
  get inode(): number | null {
    if (!this.ended) this.#inode ??= this.#kernel.inodeOf(this.#fd);
    return this.#inode;
  }

  get childEnd(): number {
    return this.#childEnd ?? -1;
  }

  handedOver(): void {
    if (this.#closeChildEnd()) this.read();
  }

  read(): void {
    if (this.ended) return;
    this.#reader = this.#kernel.readPipe(this.#fd, {
      data: (chunk) => this.#splitter.push(chunk),
      end: () => this.#finish(),
    });
  }

  // False if it is already closed.
  #closeChildEnd(): boolean {
    if (this.#childEnd === null) return false;
    this.#kernel.closeFd(this.#childEnd);
    this.#childEnd = null;
    return true;
  }

  drain(): void {
    // Without a reader the pipe still blocks, and no process has the other end.
    if (this.ended || this.#reader === null) return;
    // Descendants may keep writing, so at most one full pipe is read.
    for (let total = 0; total <= OUTPUT_PIPE_SIZE; ) {
      const count = this.#kernel.readNow(this.#fd, chunk);
      if (count === 0) break;
      // A copy, because the line splitter keeps its input.
      this.#splitter.push(Buffer.from(chunk.subarray(0, count)));
      total += count;
    }
    this.#splitter.end();
  }

  #finish(): void {
    this.ended = true;
    this.#splitter.end();
    this.#closeChildEnd();
  }

  close(): void {
    if (this.ended) return;
    this.drain();
    this.#finish();
    if (this.#reader) this.#reader.close();
    else this.#kernel.closeFd(this.#fd);
  }
}
