import type { IncomingMessage } from 'node:http';

/** At most this many bytes wait for the reader. Beyond that the connection is paused until they are read. */
const MAX_WAITING = 1024 * 1024;

/**
 * The body of a response as it arrives. All bytes that arrived before the connection broke are read before the error.
 * The iterator of a stream drops them (stream.Readable, `destroy`), and with them the answer of a supervisor that was
 * killed right afterwards. Create this object when the response begins, because data can arrive from then on.
 */
export class ResponseBytes {
  readonly #response: IncomingMessage;
  #waiting: Buffer[] = [];
  #size = 0;
  /** null: the body is complete; undefined: more may come. */
  #end: Error | null | undefined;
  #wake: () => void = () => {};

  constructor(response: IncomingMessage) {
    this.#response = response;
    response.on('data', (chunk: Buffer) => {
      this.#waiting.push(chunk);
      this.#size += chunk.length;
      if (this.#size >= MAX_WAITING) response.pause();
      this.#wake();
    });
    response.once('end', () => this.#finish(null));
    response.once('error', (error) => this.#finish(error));
    // A close without an error: the reader stopped.
    response.once('close', () => this.#finish(null));
  }

  /** Throws the error of the connection after the last bytes. Closes the connection if the reader stops early. */
  async *read(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunks = this.#waiting;
        this.#waiting = [];
        this.#size = 0;
        yield* chunks;
        if (this.#waiting.length > 0) continue;
        if (this.#end === null) return;
        if (this.#end !== undefined) throw this.#end;
        const arrival = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        if (this.#response.isPaused()) this.#response.resume();
        await arrival;
      }
    } finally {
      this.#response.destroy();
    }
  }

  #finish(end: Error | null): void {
    if (this.#end === undefined) this.#end = end;
    this.#wake();
  }
}
