import http, { type IncomingMessage } from 'node:http';
import type * as z from 'zod/mini';
import { ClientError, connectionError } from './client-error.ts';
import { answers, errorDocument } from './documents.ts';
import { type AnswerOf, type RequestOf, type RouteName, routes, type StreamName } from './protocol.ts';
import { textLines } from './text-lines.ts';

export interface ClientOptions {
  /** The control socket. */
  readonly path: string;
  /** Milliseconds until an answer must have begun, and a plain one be whole. */
  readonly patience?: number;
}

/** Asks one supervisor. Everything rejects with ClientError, or with the reason of `signal` once that is aborted. */
export interface ControlClient {
  status(signal?: AbortSignal, request?: RequestOf<'status'>): Promise<AnswerOf<'status'>>;
  reload(request: RequestOf<'reload'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'reload'>>;
  rollback(request: RequestOf<'rollback'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'rollback'>>;
  history(signal?: AbortSignal): Promise<AnswerOf<'history'>>;
  promote(signal?: AbortSignal): Promise<void>;
  abort(signal?: AbortSignal): Promise<void>;
  stop(request: RequestOf<'stop'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'stop'>>;
  signal(request: RequestOf<'signal'>, signal?: AbortSignal): Promise<AnswerOf<'signal'>>;
  logs(request: RequestOf<'logs'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'logs'>>;
  /** Everything that happens from now on. Ends where the supervisor says that it leaves. */
  events(signal?: AbortSignal): AsyncIterable<AnswerOf<'events'>>;
}

const PATIENCE = 10_000;
/** Far more than any document has; a peer that is no zero could go on for ever. */
const LARGEST_ANSWER = 8 * 1024 * 1024;

const ANSWERS: { readonly [R in RouteName]: z.ZodMiniType<AnswerOf<R>> } = answers;

export function controlClient({ path, patience = PATIENCE }: ClientOptions): ControlClient {
  const send = (name: RouteName, request: object, signal: AbortSignal | undefined) =>
    exchange({ path, patience, name, fields: request, signal });

  async function ask<R extends RouteName>(
    name: R,
    request: RequestOf<R>,
    signal?: AbortSignal,
  ): Promise<AnswerOf<R>> {
    const { response, settled } = await send(name, request, signal);
    const text = await readText(response, path);
    settled();
    if (response.statusCode !== 200) throw refusal(text, path);
    const answer = checked<AnswerOf<R>>(ANSWERS[name], parseJson(text, path));
    if (answer === null) throw strange(path);
    return answer;
  }

  async function* follow<R extends StreamName | 'events'>(
    name: R,
    request: RequestOf<R>,
    signal?: AbortSignal,
  ): AsyncGenerator<AnswerOf<R>> {
    const { response, settled } = await send(name, request, signal);
    settled();
    if (response.statusCode !== 200) throw refusal(await readText(response, path), path);
    for await (const line of textLines(chunksOf(response, path), LARGEST_ANSWER, () => strange(path))) {
      const text = name === 'events' ? dataOf(line) : line;
      if (text === null) continue;
      const answer = checked<AnswerOf<R>>(ANSWERS[name], parseJson(text, path));
      // A kind of line that this version does not know is not for it.
      if (answer !== null) yield answer;
    }
  }

  return {
    status: (signal, request = {}) => ask('status', request, signal),
    reload: (request, signal) => follow('reload', request, signal),
    rollback: (request, signal) => follow('rollback', request, signal),
    history: (signal) => ask('history', {}, signal),
    promote: async (signal) => void (await ask('promote', {}, signal)),
    abort: async (signal) => void (await ask('abort', {}, signal)),
    stop: (request, signal) => follow('stop', request, signal),
    signal: (request, signal) => ask('signal', request, signal),
    logs: (request, signal) => follow('logs', request, signal),
    events: (signal) => follow('events', {}, signal),
  };
}

interface Exchange {
  readonly path: string;
  readonly patience: number;
  readonly name: RouteName;
  readonly fields: object;
  readonly signal: AbortSignal | undefined;
}

/** Sends a request. Resolves with the head of the answer; the time for it runs on until `settled`. */
function exchange({
  path,
  patience,
  name,
  fields,
  signal,
}: Exchange): Promise<{ response: IncomingMessage; settled(): void }> {
  const { method, path: route } = routes[name];
  const body = JSON.stringify(fields);
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(fields)) query.append(key, String(value));
  return new Promise((resolve, reject) => {
    const headers =
      method === 'POST'
        ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
        : {};
    const request = http.request({
      socketPath: path,
      method,
      path: method === 'GET' && Object.keys(fields).length > 0 ? `${route}?${query}` : route,
      headers,
      agent: false,
      ...(signal ? { signal } : {}),
    });
    const timer = setTimeout(() => {
      const why = `zero has not answered within ${patience / 1000} s (control socket ${path}): is it stopped or very busy?`;
      request.destroy(new ClientError('silent', why));
    }, patience);
    const settled = () => clearTimeout(timer);
    request.on('error', (error) => {
      settled();
      if (signal?.aborted) reject(signal.reason);
      else reject(error instanceof ClientError ? error : requestError(path, error));
    });
    request.on('response', (response) => resolve({ response, settled }));
    request.end(method === 'POST' ? body : undefined);
  });
}

/** The document of a server-sent event, which zero writes in one line; null for its other fields. */
function dataOf(line: string): string | null {
  return line.startsWith('data: ') ? line.slice('data: '.length) : null;
}

function requestError(path: string, error: NodeJS.ErrnoException): ClientError {
  // What is there speaks, but not HTTP (codes of the parser, llhttp).
  return error.code?.startsWith('HPE_') ? strange(path) : connectionError(path, error);
}

async function* chunksOf(response: IncomingMessage, path: string): AsyncGenerator<Buffer> {
  try {
    yield* response;
  } catch (error) {
    throw error instanceof Error && !(error instanceof ClientError) && error.name !== 'AbortError'
      ? requestError(path, error)
      : error;
  }
}

async function readText(response: IncomingMessage, path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunksOf(response, path)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LARGEST_ANSWER) throw strange(path);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw strange(path);
  }
}

function checked<T>(schema: z.ZodMiniType<T>, value: unknown): T | null {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

function refusal(text: string, path: string): ClientError {
  const parsed = errorDocument.safeParse(parseJson(text, path));
  if (!parsed.success) return strange(path);
  const { code, message } = parsed.data.error;
  if (code === 'forbidden')
    return new ClientError('denied', `control socket ${path}: permission denied: ${message}`, code);
  return new ClientError('refused', message, code);
}

function strange(path: string): ClientError {
  return new ClientError(
    'strange',
    `what listens on ${path} does not speak this zero's protocol: is it another version?`,
  );
}
