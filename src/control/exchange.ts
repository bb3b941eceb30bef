import http, { type IncomingMessage } from 'node:http';
import net, { type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { now } from '../common/clock.ts';
import { ClientError, connectionError } from './client-error.ts';
import { errorDocument } from './documents.ts';
import { refusedServer } from './peer.ts';
import { ResponseBytes } from './response-bytes.ts';
import {
  explainDifference,
  explainDistance,
  type Speaker,
  type Supervisor,
  supervisorOf,
} from './supervisor-version.ts';
import { requestHeaders } from './version.ts';

export interface Exchange {
  /** The control socket. */
  readonly path: string;
  /** The user who must listen there; null: any user. */
  readonly owner: number | null;
  /** Milliseconds until the beginning of an answer, and until the end of a plain one. */
  readonly patience: number;
  /** The sender of the request. */
  readonly command: Speaker;
  readonly method: 'GET' | 'POST';
  readonly route: string;
  readonly fields: object;
  readonly signal: AbortSignal | undefined;
  /** The pid of the supervisor; null: none runs, or it is unknown. */
  readonly supervisor: () => number | null;
}

/** Milliseconds between two attempts. */
const PAUSE = 50;

/** Limit for an answer, far above the size of any document: another program could send data forever. */
export const MAX_ANSWER = 8 * 1024 * 1024;

/** Error codes of a supervisor that did not understand the request. */
const NOT_UNDERSTOOD: ReadonlySet<string> = new Set(['bad_request', 'not_found', 'method_not_allowed']);

/**
 * Sends one request. Resolves with the head of its answer. Rejects with ClientError, or with the reason of `signal`. A
 * supervisor that starts, or whose program is being replaced, runs and does not listen: the request waits for it.
 */
export async function exchange(options: Exchange): Promise<Answer> {
  const { path, patience, signal, supervisor } = options;
  const deadline = now() + patience;
  const before = supervisor();
  for (;;) {
    try {
      return await attempt({ ...options, patience: deadline - now() }, patience);
    } catch (error) {
      const problem = error instanceof ClientError ? error.problem : null;
      const current = supervisor();
      // Nothing was sent: no process listens on the socket.
      const isAway = problem === 'no_instance' && current !== null;
      // A supervisor that still runs has closed the connection without an answer, so it has not read the request.
      const isUnread = problem === 'gone' && current !== null && current === before;
      if (!isAway && !isUnread) throw error;
      if (now() >= deadline - PAUSE) throw silent(path, patience);
      await wait(PAUSE);
      signal?.throwIfAborted();
    }
  }
}

/** Sends one request over a new connection. */
function attempt(options: Exchange, whole: number): Promise<Answer> {
  const { path, owner, patience, command, method, route, fields, signal } = options;
  const body = JSON.stringify(fields);
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(fields)) query.append(key, String(value));
  return new Promise((resolve, reject) => {
    const content =
      method === 'POST'
        ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
        : {};
    const request = http.request({
      createConnection: (_options, connected) => connect(path, owner, connected),
      method,
      path: method === 'GET' && Object.keys(fields).length > 0 ? `${route}?${query}` : route,
      headers: { ...requestHeaders(command.version, command.protocol), ...content },
      ...(signal ? { signal } : {}),
    });
    const timer = setTimeout(() => {
      request.destroy(silent(path, whole));
    }, patience);
    const settled = () => clearTimeout(timer);
    request.on('error', (error) => {
      settled();
      if (signal?.aborted) reject(signal.reason);
      else reject(error instanceof ClientError ? error : requestError(path, error));
    });
    request.on('response', (response) => {
      const supervisor = supervisorOf(response.headers);
      const distance = supervisor && explainDistance(command, supervisor);
      if (supervisor !== null && distance === null) {
        resolve(new Answer({ path, command, supervisor, response, settled }));
        return;
      }
      settled();
      request.destroy();
      reject(distance === null ? strange(path) : new ClientError('incompatible', distance));
    });
    request.end(method === 'POST' ? body : undefined);
  });
}

/** Connects, and returns the connection only if the process at the other end is trusted. It receives nothing before. */
function connect(
  path: string,
  owner: number | null,
  connected: (error: Error | null, socket: Socket) => void,
): undefined {
  const socket = net.connect({ path });
  const failed = (error: Error): void => connected(error, socket);
  socket.once('error', failed);
  socket.once('connect', () => {
    socket.off('error', failed);
    const refused = refusedServer(socket, path, owner);
    if (refused === null) {
      connected(null, socket);
      return;
    }
    socket.destroy();
    const message = `control socket ${path}: ${refused}. Nothing was sent. Remove the socket, or run this as that user.`;
    connected(new ClientError('untrusted', message), socket);
  });
}

interface AnswerOptions {
  readonly path: string;
  readonly command: Speaker;
  readonly supervisor: Supervisor;
  readonly response: IncomingMessage;
  /** Stops the timeout for the answer. */
  readonly settled: () => void;
}

/** The answer of a supervisor with a compatible version. */
export class Answer {
  readonly #options: AnswerOptions;
  readonly #bytes: ResponseBytes;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.#bytes = new ResponseBytes(options.response);
  }

  /** The complete body of a plain answer. Throws a refusal as ClientError. */
  async document(): Promise<unknown> {
    const text = await this.#text();
    this.#options.settled();
    if (this.#refused) throw this.#refusal(text);
    return this.parse(text);
  }

  /** The bytes of a stream as they arrive. Throws a refusal as ClientError. */
  async *chunks(): AsyncGenerator<Buffer> {
    this.#options.settled();
    if (this.#refused) throw this.#refusal(await this.#text());
    yield* this.#read();
  }

  parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.strange();
    }
  }

  /** The error for an answer that does not follow the protocol. */
  strange(): ClientError {
    const { path, command, supervisor } = this.#options;
    return strange(path, explainDifference(command, supervisor));
  }

  get #refused(): boolean {
    return this.#options.response.statusCode !== 200;
  }

  async *#read(): AsyncGenerator<Buffer> {
    try {
      yield* this.#bytes.read();
    } catch (error) {
      throw error instanceof Error && !(error instanceof ClientError) && error.name !== 'AbortError'
        ? requestError(this.#options.path, error)
        : error;
    }
  }

  async #text(): Promise<string> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this.#read()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_ANSWER) throw this.strange();
    }
    return Buffer.concat(chunks).toString();
  }

  #refusal(text: string): ClientError {
    const { path, command, supervisor } = this.#options;
    const parsed = errorDocument.safeParse(this.parse(text));
    if (!parsed.success) return this.strange();
    const { code, message } = parsed.data.error;
    if (code === 'forbidden')
      return new ClientError('denied', `control socket ${path}: permission denied: ${message}`, code);
    const why = NOT_UNDERSTOOD.has(code) ? explainDifference(command, supervisor) : '';
    return new ClientError('refused', `${message}${why}`, code);
  }
}

function silent(path: string, patience: number): ClientError {
  const why = `zero has not answered within ${patience / 1000} s (control socket ${path}). Is it halted or very busy?`;
  return new ClientError('silent', why);
}

function requestError(path: string, error: NodeJS.ErrnoException): ClientError {
  // The peer does not speak HTTP (error codes of the parser, llhttp).
  return error.code?.startsWith('HPE_') ? strange(path) : connectionError(path, error);
}

function strange(path: string, difference = ''): ClientError {
  const why = 'the answer does not follow the control protocol of zero';
  return new ClientError('strange', `control socket ${path}: ${why}${difference}`);
}
