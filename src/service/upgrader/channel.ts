import type { Socket } from 'node:net';

/** Limit for a message without a state, in characters: enough for thousands of descriptors. */
export const MAX_MESSAGE = 4 * 1024 * 1024;

export interface Listener<In> {
  message(message: In): void;
  /** The other side has exited, or sent an invalid message: then with the error. Called once, as the last call. */
  closed(error: Error | null): void;
}

/**
 * One JSON document per line over a socket pair. The other process holds the only other end, so end of file means that
 * the process has exited.
 */
export class Channel<In, Out extends object> {
  readonly #socket: Socket;
  readonly #read: (value: unknown) => In | null;
  readonly #listener: Listener<In>;
  readonly #longest: number;
  /** Pieces of a line without its end; joined once the end has arrived. */
  #pieces: string[] = [];
  #length = 0;
  #closed = false;

  /** `read` returns null for an invalid message. `longest`: limit for a line, in characters. */
  constructor(
    socket: Socket,
    read: (value: unknown) => In | null,
    listener: Listener<In>,
    longest: number = MAX_MESSAGE,
  ) {
    this.#longest = longest;
    this.#socket = socket;
    this.#read = read;
    this.#listener = listener;
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => this.#receive(chunk));
    // EPIPE, ECONNRESET: the other side has exited, which `close` reports as well.
    socket.on('error', () => undefined);
    socket.on('end', () => this.#close(null));
    socket.on('close', () => this.#close(null));
  }

  send(message: Out): void {
    if (!this.#closed) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Sets whether the channel keeps this process alive. */
  hold(alive: boolean): void {
    if (alive) this.#socket.ref();
    else this.#socket.unref();
  }

  /** The listener receives no more calls. */
  destroy(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    const [end = '', ...begun] = chunk.split('\n');
    this.#keep(end);
    const lines: string[] = [];
    for (const piece of begun) {
      lines.push(this.#takeKept());
      this.#keep(piece);
    }
    if (this.#length > this.#longest) lines.push(this.#pieces.join(''));
    for (const line of lines) {
      if (this.#closed) return;
      const message = this.#parse(line);
      if (message === null) this.#close(new Error(`not a message: ${JSON.stringify(line.slice(0, 80))}`));
      else this.#listener.message(message);
    }
  }

  #keep(piece: string): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  #takeKept(): string {
    const line = this.#pieces.join('');
    this.#pieces = [];
    this.#length = 0;
    return line;
  }

  #parse(line: string): In | null {
    try {
      return this.#read(JSON.parse(line));
    } catch {
      return null;
    }
  }

  #close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#listener.closed(error ?? this.#leftOver());
  }

  /** An incomplete line at the end: the other side does not use this library, or was killed while it wrote. */
  #leftOver(): Error | null {
    if (this.#length === 0) return null;
    return new Error(`not a message: ${JSON.stringify(this.#pieces.join('').slice(0, 80))}`);
  }
}
