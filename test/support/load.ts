import { randomBytes } from 'node:crypto';
import { HttpConnection } from './http-connection.ts';
import { LoadBook, type LoadResult, type PhaseBook } from './load-book.ts';
import { seededRandom } from './random.ts';
import type { Response } from './response-parser.ts';
import { parseTarget, type Target } from './target.ts';
import type { Scope } from './temporary.ts';

export interface LoadOptions {
  /** Text for `parseTarget`, or its result. */
  readonly target: string | Target;
  /** Concurrent requests. Default 8. */
  readonly clients?: number;
  /** `short`: one request per connection, with `Connection: close`. Default `short`. */
  readonly connections?: 'short' | 'keep-alive';
  /** Pause between a response and the client's next request, uniformly random, in ms. Default: none. */
  readonly think?: { readonly from: number; readonly to: number };
  /** For the random pauses. Default 1. */
  readonly seed?: number;
  /** Ends after this many requests. Default: runs until `stop`. */
  readonly count?: number;
  /** From the connect to the last byte, in ms. Default 10,000. */
  readonly requestTimeout?: number;
  /** The request's path. It must contain the id if the services keep books. Default `/?id=ID`. */
  readonly path?: (id: string) => string;
  /** The generation that answered. Default: `generation` of a JSON body, else `unknown`. */
  readonly generationOf?: (response: Response) => string;
}

export interface Load {
  /** Requests from now on belong to this phase. */
  phase(name: string): void;
  /** Resolves once n requests of the current phase were answered. Rejects when that is no longer possible. */
  whenPhaseHas(n: number): Promise<void>;
  /** Requests lost so far. */
  readonly lost: number;
  /** Sends no new requests, waits until those in progress finish or time out, and closes the book. */
  stop(): Promise<LoadResult>;
  /** The closed book of `stop` or of a load with a `count`. */
  readonly finished: Promise<LoadResult>;
}

/** The `generation` field of a JSON response, as the services in test/fixtures send it. */
export function generationInBody(response: Response): string {
  try {
    const answer: unknown = JSON.parse(response.body.toString());
    if (typeof answer !== 'object' || answer === null || !('generation' in answer)) return 'unknown';
    return String(answer.generation);
  } catch {
    return 'unknown';
  }
}

/**
 * Starts clients that send requests continuously and record each outcome. Nothing is retried, and every failure counts:
 * the book contains exactly the client's view. The end of the test stops the load if the test has not.
 */
export function startLoad(scope: Scope, options: LoadOptions): Load {
  const generator = new Generator(options);
  scope.after(() => {
    generator.abandon();
  });
  return generator;
}

class Generator implements Load {
  readonly finished: Promise<LoadResult>;
  readonly #target: Target;
  readonly #options: LoadOptions;
  readonly #book = new LoadBook();
  readonly #prefix = randomBytes(4).toString('hex');
  readonly #connections = new Set<HttpConnection>();
  readonly #thinking = new Map<NodeJS.Timeout, () => void>();
  readonly #began = performance.now();
  #numbered = 0;
  #stopping = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#target = typeof options.target === 'string' ? parseTarget(options.target) : options.target;
    const { clients = 8, seed = 1 } = options;
    const running = Array.from({ length: clients }, (_, index) =>
      this.#client(seededRandom(seed * 1000 + index)),
    );
    this.finished = Promise.all(running).then(() => {
      this.#closeConnections();
      return this.#book.close();
    });
    // A test that fails before it reads the result has already reported its failure.
    this.finished.catch(() => undefined);
  }

  phase(name: string): void {
    this.#book.startPhase(name);
  }

  whenPhaseHas(n: number): Promise<void> {
    return this.#book.whenPhaseHas(n);
  }

  get lost(): number {
    return this.#book.lost;
  }

  stop(): Promise<LoadResult> {
    this.#stopping = true;
    for (const [timer, wake] of this.#thinking) {
      clearTimeout(timer);
      wake();
    }
    this.#thinking.clear();
    return this.finished;
  }

  abandon(): void {
    void this.stop();
    this.#closeConnections();
  }

  #closeConnections(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #client(random: () => number): Promise<void> {
    let connection: HttpConnection | null = null;
    for (let id = this.#nextId(); id !== null; id = this.#nextId()) {
      if (connection === null || !connection.usable) connection = this.#connect();
      await this.#request(connection, id);
      if (this.#options.connections !== 'keep-alive') connection = null;
      await this.#think(random);
    }
  }

  #nextId(): string | null {
    if (this.#stopping || this.#numbered >= (this.#options.count ?? Number.POSITIVE_INFINITY)) return null;
    this.#numbered += 1;
    return `${this.#prefix}-${this.#numbered}`;
  }

  /**
   * The server closes a short connection, as requested. If the client closed it first, a truncated response would not
   * be detected.
   */
  #connect(): HttpConnection {
    const connection = new HttpConnection(this.#target);
    this.#connections.add(connection);
    connection.whenClosed(() => this.#connections.delete(connection));
    return connection;
  }

  async #request(connection: HttpConnection, id: string): Promise<void> {
    const { connections = 'short', requestTimeout = 10_000, path = (name) => `/?id=${name}` } = this.#options;
    const close = connections === 'short' ? 'Connection: close\r\n' : '';
    const text = `GET ${path(id)} HTTP/1.1\r\nHost: localhost\r\n${close}\r\n`;
    const book = this.#book.send();
    const begin = performance.now();
    const exchange = await connection.exchange(text, requestTimeout);
    if (exchange.kind === 'failed') {
      this.#lose(book, connection, id, exchange.name, exchange.detail);
    } else if (exchange.response.status !== 200) {
      const { status, body } = exchange.response;
      this.#lose(book, connection, id, `status_${status}`, body.toString('latin1', 0, 80));
    } else {
      const { generationOf = generationInBody } = this.#options;
      this.#book.answer(book, id, generationOf(exchange.response), performance.now() - begin);
    }
  }

  #lose(
    book: PhaseBook,
    connection: HttpConnection,
    id: string,
    name: Parameters<LoadBook['lose']>[1]['name'],
    detail: string,
  ): void {
    const at = performance.now() - this.#began;
    const { exchanges, localPort: port } = connection;
    const openedAt = connection.openedAt - this.#began;
    this.#book.lose(book, { id, name, detail, reused: exchanges > 1, at, openedAt, port });
  }

  #think(random: () => number): Promise<void> | undefined {
    const { think } = this.#options;
    if (think === undefined || this.#stopping) return undefined;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          this.#thinking.delete(timer);
          resolve();
        },
        think.from + random() * (think.to - think.from),
      );
      this.#thinking.set(timer, resolve);
    });
  }
}
