import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';
import { Connections, type Limits } from './connections.ts';
import { Refusals } from './refusals.ts';

/** Why a connection receives an answer although it has sent no valid request. */
export type RefusalCode = 'overloaded' | 'request_timeout' | 'headers_too_large' | 'bad_request';

export interface HttpServerOptions {
  /** For log lines. */
  readonly name: string;
  readonly limits: Limits;
  readonly timers: Timers;
  /** Logs one line. */
  readonly warn: (message: string) => void;
  /** Called for each connection before its request is read. */
  readonly onConnection?: (socket: Socket) => void;
  /** Answers a request, and reports its progress to `connections`. Must not throw. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Answers a connection without a request, and closes it; see sendRaw. */
  readonly refuse: (socket: Socket, code: RefusalCode, message: string) => void;
}

/** A listening socket of a server. */
export interface Listening {
  /** Accepts no more connections. */
  close(): void;
}

const HEADER_LIMIT = 8 * 1024;

/**
 * An HTTP server with one request per connection. Whatever a client sends or omits, it receives an answer or loses its
 * connection, and the supervisor keeps running.
 */
export class HttpServer {
  readonly connections: Connections;
  readonly refusals: Refusals;
  readonly #options: HttpServerOptions;
  readonly #sockets = new Set<Socket>();
  /** Each warning is logged once, so that no client can fill the log. */
  readonly #warned = new Set<string>();
  #parser: Promise<Server> | null = null;

  constructor(options: HttpServerOptions) {
    const { limits, timers, warn, refuse } = options;
    this.#options = options;
    this.connections = new Connections(limits, timers, refuse);
    this.refusals = new Refusals(warn);
  }

  /**
   * Accepts connections of a listening or bound socket, which the server takes over. Can be called again for another
   * socket. Rejects with the error of listen(2).
   */
  async listen(fd: number): Promise<Listening> {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd }, resolve);
    });
    server.removeAllListeners('error');
    // After a failed accept (EMFILE) only this client's connection is lost.
    server.on('error', (error) => this.warnOnce(`${this.#options.name}: ${error.message}`));
    return { close: () => void server.close() };
  }

  warnOnce(message: string): void {
    if (!this.#warned.has(message)) this.#options.warn(message);
    this.#warned.add(message);
  }

  /**
   * Closes the connections but for those in `keep`. Written data is still sent, but a peer that does not read it does
   * not keep the process alive.
   */
  closeConnections(keep: ReadonlySet<Socket | null> = new Set()): void {
    for (const socket of this.#sockets) if (!keep.has(socket)) socket.unref().destroySoon();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // A peer that closes its connection is not an error. Without a listener the error would end the process.
    socket.on('error', () => {});
    if (!this.connections.add(socket)) return;
    this.#options.onConnection?.(socket);
    this.#parser ??= makeParser(this.#options);
    // Nothing is read from a connection before the parser is loaded.
    void this.#parser.then((parser) => {
      parser.emit('connection', socket);
      socket.resume();
    });
  }
}

/**
 * A server that only parses connections that were accepted for it. So it starts no timer of its own, which would wake
 * the supervisor twice a minute. Loaded on demand: it takes 0.2 MB, and a tenth of the supervisor's time until the
 * service runs.
 */
async function makeParser({ onRequest, refuse }: HttpServerOptions): Promise<Server> {
  const { createServer } = await import('node:http');
  const answers = new WeakMap<object, ServerResponse>();
  const take = (request: IncomingMessage, response: ServerResponse) => {
    answers.set(request.socket, response);
    onRequest(request, response);
  };
  // Node's own responses have no body: to a request without a Host header, and to an unknown Expect.
  const parser = createServer({ maxHeaderSize: HEADER_LIMIT, requireHostHeader: false }, take);
  parser.on('checkExpectation', take);
  parser.maxRequestsPerSocket = 1;
  parser.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A connection has one request, which is already answered or being answered.
    const begun = answers.get(socket);
    if (begun?.headersSent || begun?.req.complete) return;
    const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const message = isTooLarge
      ? `the headers are larger than ${HEADER_LIMIT} bytes`
      : 'this is not an HTTP request';
    refuse(socket as Socket, isTooLarge ? 'headers_too_large' : 'bad_request', message);
  });
  return parser;
}

/**
 * Sends an answer without a request, and closes the connection.
 * @param status the code and the reason phrase
 */
export function sendRaw(
  socket: Socket,
  status: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  const head = [
    `HTTP/1.1 ${status}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}
