import { connect, type Socket } from 'node:net';
import { type Progress, type Response, ResponseParser } from './response-parser.ts';
import type { Target } from './target.ts';

/**
 * Every way to lose a request, distinguished because each has another cause. `connect_X` and `error_X` contain the
 * errno of errors without their own name (`connect_ENOENT`: no such Unix path, `connect_EAGAIN`: the queue of a Unix
 * listener is full). `status_N` is a response other than 200. A reset that arrives together with data is an
 * `eof_mid_response` here: libuv reports the end of file when a poll reports data and hang-up at once (uv__stream_io).
 */
export type FailureName =
  | 'refused'
  | 'reset_before_byte'
  | 'reset_mid_response'
  | 'eof_before_response'
  | 'eof_mid_response'
  | 'timed_out'
  | 'bad_response'
  | `connect_${string}`
  | `error_${string}`
  | `status_${number}`;

export type Exchange =
  | { readonly kind: 'answered'; readonly response: Response }
  | { readonly kind: 'failed'; readonly name: FailureName; readonly detail: string };

interface Pending {
  readonly parser: ResponseParser;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (exchange: Exchange) => void;
}

/** One connection with one request at a time. Nothing is retried. */
export class HttpConnection {
  readonly #socket: Socket;
  #connected = false;
  #usable = true;
  #pending: Pending | null = null;
  /** Requests on this connection so far. */
  exchanges = 0;
  /** In the clock of performance.now(). */
  readonly openedAt = performance.now();
  /** The client's port; null before the connection is established, and for Unix sockets. */
  localPort: number | null = null;

  constructor(target: Target) {
    this.#socket = connect({ ...target });
    this.#socket.setNoDelay(true);
    this.#socket.on('connect', () => {
      this.#connected = true;
      this.localPort = this.#socket.localPort ?? null;
    });
    this.#socket.on('data', (chunk) => this.#received(chunk));
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#broke(error));
    this.#socket.on('close', () => this.#ended());
  }

  /** False after the server closed the connection or responded with `Connection: close`, and after any failure. */
  get usable(): boolean {
    return this.#usable;
  }

  /** Sends the bytes and reads one response, within `timeoutMs` from now including the connect. Never rejects. */
  exchange(request: string, timeoutMs: number): Promise<Exchange> {
    this.exchanges += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#fail('timed_out', `${this.#connected ? 'answer' : 'connect'}: ${timeoutMs} ms`);
        this.#socket.destroy();
      }, timeoutMs);
      this.#pending = { parser: new ResponseParser(), timer, resolve };
      this.#socket.write(request, 'latin1');
    });
  }

  /** Sends the rest of a request whose beginning was passed to `exchange`. */
  send(rest: string): void {
    this.#socket.write(rest, 'latin1');
  }

  close(): void {
    this.#usable = false;
    this.#socket.destroy();
  }

  whenClosed(then: () => void): void {
    if (this.#socket.closed) then();
    else this.#socket.once('close', then);
  }

  #received(chunk: Buffer): void {
    if (this.#pending === null) {
      // Unrequested bytes, e.g. haproxy's 408 for an idle connection. They lose no request.
      this.#usable = false;
      return;
    }
    this.#progress(this.#pending.parser.feed(chunk));
  }

  #progress(progress: Progress): void {
    if (progress.kind === 'bad') {
      this.#fail('bad_response', progress.why);
      this.#socket.destroy();
    } else if (progress.kind === 'complete') {
      if (!progress.response.keepsAlive) this.#usable = false;
      this.#settle({ kind: 'answered', response: progress.response });
    }
  }

  #ended(): void {
    this.#usable = false;
    if (this.#pending === null) return;
    this.#progress(this.#pending.parser.finish());
    if (this.#pending === null) return;
    const name = this.#pending.parser.started ? 'eof_mid_response' : 'eof_before_response';
    this.#fail(name, 'the server closed the connection');
  }

  #broke(error: NodeJS.ErrnoException): void {
    const code = error.code ?? error.message;
    const started = this.#pending?.parser.started ?? false;
    this.#fail(nameError(code, this.#connected, started), error.message);
  }

  #fail(name: FailureName, detail: string): void {
    this.#usable = false;
    this.#settle({ kind: 'failed', name, detail });
  }

  #settle(exchange: Exchange): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.#pending = null;
    clearTimeout(pending.timer);
    pending.resolve(exchange);
  }
}

/** ECONNRESET: the peer sent RST. EPIPE: the RST arrived before the request was written (write(2)). */
function nameError(code: string, connected: boolean, started: boolean): FailureName {
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ETIMEDOUT') return 'timed_out';
  if (code === 'ECONNRESET' || code === 'EPIPE') return started ? 'reset_mid_response' : 'reset_before_byte';
  return connected ? `error_${code}` : `connect_${code}`;
}
