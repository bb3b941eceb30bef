import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Scope } from './temporary.ts';

/** A named pipe that the test reads, at any speed, or stops reading. */
export interface PipeReader {
  readonly path: string;
  /** Starts reading. Until then a pipe of Linux holds 64 KiB (pipe(7)). */
  read(): void;
  /** Stops reading until the next `read`. */
  pause(): void;
  /** Everything read since the previous call. */
  take(): Buffer;
  /** Resolves once this text has been read. To be called before the text can arrive. */
  until(text: string): Promise<void>;
  /** Resolves once this many bytes have been read in total. To be called before they can arrive. */
  untilSize(bytes: number): Promise<void>;
  /** Closes the reading end: a writer gets EPIPE. */
  close(): void;
}

/** Creates the pipe at `path` and opens its reading end. */
export function openPipeReader(scope: Scope, path: string): PipeReader {
  execFileSync('mkfifo', ['-m', '666', path]);
  // Opened for reading and writing: otherwise there is an end-of-file before the first writer and after each one
  // (fifo(7)).
  return new Reader(scope, path, openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
}

class Reader implements PipeReader {
  readonly path: string;
  readonly #fd: number;
  #socket: Socket | null = null;
  #chunks: Buffer[] = [];
  #closed = false;
  #size = 0;
  #wantedSize: { bytes: number; resolve: () => void } | null = null;
  #wanted: { text: Buffer; seen: Buffer; resolve: () => void } | null = null;

  constructor(scope: Scope, path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
    scope.after(() => this.close());
  }

  read(): void {
    if (this.#socket === null) {
      this.#socket = new Socket({ fd: this.#fd, readable: true, writable: false });
      this.#socket.on('data', (chunk) => this.#received(chunk));
      this.#socket.on('error', () => undefined);
    }
    this.#socket.resume();
  }

  pause(): void {
    this.#socket?.pause();
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }

  until(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = { text: Buffer.from(text), seen: Buffer.alloc(0), resolve };
    });
  }

  untilSize(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wantedSize = { bytes, resolve };
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#socket === null) closeSync(this.#fd);
    else this.#socket.destroy();
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#wantedSize !== null && this.#size >= this.#wantedSize.bytes) this.#wantedSize.resolve();
    const wanted = this.#wanted;
    if (wanted === null) return;
    const seen = Buffer.concat([wanted.seen, chunk]);
    if (seen.includes(wanted.text)) {
      this.#wanted = null;
      wanted.resolve();
    } else {
      // The end of this chunk may be the start of the text.
      wanted.seen = Buffer.from(seen.subarray(-wanted.text.length));
    }
  }
}
