import { closeSync, fchownSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { openPipe, openReadWrite, setPipeSize } from '../linux/pipes.ts';
import { LineForwarder } from './line-forwarder.ts';
import { LineSplitter } from './line-splitter.ts';
import { codeOf } from './release-error.ts';
import type { Sink } from './sink.ts';
import { Tail } from './tail.ts';

export interface OutputOptions {
  /** Where it goes; null keeps only the tail. */
  readonly stdout: Sink | null;
  readonly stderr: Sink | null;
  /** Who owns the pipes, so that the service may open /dev/stdout; null leaves them to the supervisor. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** Told everything that is read: whole lines, or a piece of one that goes on. The bytes are only borrowed. */
  readonly record?: (stream: 'stdout' | 'stderr', bytes: Buffer) => void;
  /** Lines kept for reports; 200 when left out. */
  readonly tailLines?: number;
}

// As much as an unprivileged process may ask for (pipe(7), /proc/sys/fs/pipe-max-size).
const PIPE_SIZE = 1024 * 1024;

/**
 * The output of one process: two pipes whose far ends the process gets as 1 and 2. Those ends are open for reading too, so that a
 * service that outlives the supervisor can go on writing (no SIGPIPE as long as there is a reader, fifo(7)). End-of-file therefore
 * only means that the process and all that inherited from it are gone, and nothing here waits for it.
 */
export class WorkerOutput {
  readonly #tail: Tail;
  readonly #streams: Stream[] = [];

  /** Throws SystemError (EMFILE); nothing stays open then. */
  constructor(options: OutputOptions) {
    this.#tail = new Tail(options.tailLines);
    const record = options.record ?? (() => {});
    const keep = (name: 'stdout' | 'stderr') => (bytes: Buffer, complete: boolean) => {
      this.#tail.add(bytes, complete);
      record(name, bytes);
    };
    try {
      this.#streams.push(new Stream(options.stdout, keep('stdout'), options.owner));
      this.#streams.push(new Stream(options.stderr, keep('stderr'), options.owner));
    } catch (error) {
      this.close();
      throw error;
    }
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

class Stream {
  readonly #splitter: LineSplitter;
  #socket: Socket | null = null;
  readonly #fd: number;
  #childEnd: number | null;
  ended = false;

  constructor(
    sink: Sink | null,
    keep: (bytes: Buffer, complete: boolean) => void,
    owner: OutputOptions['owner'],
  ) {
    const forwarder = sink === null ? null : new LineForwarder(sink);
    this.#splitter = new LineSplitter((bytes, complete) => {
      keep(bytes, complete);
      forwarder?.add(bytes, complete);
    });
    const pipe = openOutputPipe(owner);
    this.#fd = pipe.read;
    this.#childEnd = pipe.childEnd;
  }

  get childEnd(): number {
    return this.#childEnd ?? -1;
  }

  handedOver(): void {
    if (!this.#closeChildEnd()) return;
    const socket = new Socket({ fd: this.#fd, readable: true, writable: false });
    socket.on('data', (chunk: Buffer) => this.#splitter.push(chunk));
    socket.on('error', () => this.close());
    socket.on('end', () => this.close());
    this.#socket = socket;
  }

  // False where it is closed already.
  #closeChildEnd(): boolean {
    if (this.#childEnd === null) return false;
    closeSync(this.#childEnd);
    this.#childEnd = null;
    return true;
  }

  drain(): void {
    // Before the socket has made it non-blocking a read would wait, and nobody has the other end.
    if (this.ended || this.#socket === null) return;
    const chunk = Buffer.allocUnsafe(64 * 1024);
    // Descendants may go on writing: what can be in the pipe now is enough.
    for (let total = 0; total <= PIPE_SIZE; ) {
      const count = readNow(this.#fd, chunk);
      if (count === 0) break;
      this.#splitter.push(Buffer.from(chunk.subarray(0, count)));
      total += count;
    }
    this.#splitter.end();
  }

  close(): void {
    if (this.ended) return;
    this.drain();
    this.ended = true;
    this.#closeChildEnd();
    if (this.#socket) this.#socket.destroy();
    else closeSync(this.#fd);
  }
}

function openOutputPipe(owner: OutputOptions['owner']): { read: number; childEnd: number } {
  const { read, write } = openPipe();
  try {
    if (owner !== null) fchownSync(read, owner.uid, owner.gid);
    enlarge(read);
    return { read, childEnd: openReadWrite(write) };
  } catch (error) {
    closeSync(read);
    throw error;
  } finally {
    closeSync(write);
  }
}

// Best effort: EPERM beyond pipe-max-size or the user's pipe-user-pages-soft (pipe(7)); 64 KiB do too.
function enlarge(fd: number): void {
  try {
    setPipeSize(fd, PIPE_SIZE);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error;
  }
}

// 0 where nothing is there to read: an empty pipe (EAGAIN, the read end does not block) or its end.
function readNow(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return 0;
    throw error;
  }
}
