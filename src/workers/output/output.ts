import type { DescriptorCalls } from '../../linux/kernel.ts';
import { OUTPUT_PIPE_SIZE, type PipeReader } from '../../linux/pipes.ts';
import type { LineReceiver } from './line-forwarder.ts';
import { LineSplitter } from './line-splitter.ts';
import { Tail } from './tail.ts';

export interface OutputOptions {
  /** Where it goes; null keeps only the tail. */
  readonly stdout: LineReceiver | null;
  readonly stderr: LineReceiver | null;
  /** Who owns the pipes, so that the service may open /dev/stdout; null leaves them to the supervisor. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** Told everything that is read: whole lines, or a piece of one that goes on. The bytes are only borrowed. */
  readonly record?: (stream: 'stdout' | 'stderr', bytes: Buffer) => void;
  /** Lines kept for reports; 200 when left out. */
  readonly tailLines?: number;
}

/** A pipe as it is opened; `childEnd` is null for the pipe of a process that runs already. */
interface OpenPipe {
  readonly read: number;
  readonly childEnd: number | null;
}

/**
 * The output of one process: two pipes whose far ends the process gets as 1 and 2. Those ends are open for reading too, so that a
 * service that outlives the supervisor can go on writing (no SIGPIPE as long as there is a reader, fifo(7)). End-of-file therefore
 * only means that the process and all that inherited from it are gone, and nothing here waits for it.
 */
export class WorkerOutput {
  readonly #tail: Tail;
  readonly #streams: Stream[] = [];

  /**
   * Throws SystemError or the file system's error (EMFILE, ENFILE); nothing stays open then.
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

  /** Opens both pipes. Throws SystemError or the file system's error (EMFILE, ENFILE); nothing stays open then. */
  static open(kernel: DescriptorCalls, options: OutputOptions): WorkerOutput {
    return new WorkerOutput(kernel, options, () => kernel.openOutputPipe(options.owner));
  }

  /**
   * Reads on the output of a process that another supervisor started.
   * @param pipes the read ends of its pipes, which this object owns from now on; null: not known, that stream is lost
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

  /** The inodes of the pipes, by which another supervisor finds them in the process; null for a stream without one. */
  get inodes(): { stdout: number | null; stderr: number | null } {
    const [stdout, stderr] = this.#streams;
    return { stdout: stdout?.inode ?? null, stderr: stderr?.inode ?? null };
  }

  /** What the process gets as 1 and 2. */
  get childEnds(): { stdout: number; stderr: number } {
    const [stdout, stderr] = this.#streams;
    return { stdout: stdout?.childEnd ?? -1, stderr: stderr?.childEnd ?? -1 };
  }

  /** To be called once the process has its own copies. From now on what it writes is read. */
  closeChildEnds(): void {
    for (const stream of this.#streams) stream.handedOver();
  }

  /** The last lines of both streams, in the order in which they were read. */
  lines(count?: number): string[] {
    return this.#tail.lines(count);
  }

  /** Reads what is in the pipes now, without waiting, and ends an open line: after the exit of the process these are its last words. */
  drain(): void {
    for (const stream of this.#streams) stream.drain();
  }

  /** True when the process and everybody that inherited its output are gone. */
  get ended(): boolean {
    return this.#streams.every((stream) => stream.ended);
  }

  /** Reads what is there, and lets go of the pipes. Harmless twice. */
  close(): void {
    for (const stream of this.#streams) stream.close();
  }
}

/** What every drain() reads into: one drain at a time, which ends in the same turn. */
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

  /** Looked up when it is first wanted, so that a start need not wait for it. */
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

  // False where it is closed already.
  #closeChildEnd(): boolean {
    if (this.#childEnd === null) return false;
    this.#kernel.closeFd(this.#childEnd);
    this.#childEnd = null;
    return true;
  }

  drain(): void {
    // Without a reader the pipe still blocks, and no process has the other end.
    if (this.ended || this.#reader === null) return;
    // Descendants may go on writing: what can be in the pipe now is enough.
    for (let total = 0; total <= OUTPUT_PIPE_SIZE; ) {
      const count = this.#kernel.readNow(this.#fd, chunk);
      if (count === 0) break;
      // A copy: the line splitter keeps what it is given.
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
