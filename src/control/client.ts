import type * as z from 'zod/mini';
import { answers } from './documents.ts';
import { type Answer, exchange, MAX_ANSWER } from './exchange.ts';
import { type AnswerOf, type RequestOf, type RouteName, routes, type StreamName } from './protocol.ts';
import { PROTOCOL } from './version.ts';

export interface ClientOptions {
  /** The control socket. */
  readonly path: string;
  /** The owner of the instance, who must be the user that listens there. Omitted if unknown. */
  readonly owner?: number;
  /** The release of this command. */
  readonly version: string;
  /** Milliseconds until the beginning of an answer, and until the end of a plain one. */
  readonly patience?: number;
  /**
   * The pid of the supervisor; null: none runs. While it runs and nobody listens on the socket, the first request waits.
   * Later ones fail, because a command that follows a supervisor reports the loss. Omitted if unknown.
   */
  readonly supervisor?: () => number | null;
  /** The version of the protocol; for tests. */
  readonly protocol?: number;
}

/**
 * Sends requests to one supervisor. All methods reject with ClientError, or with the reason of `signal` after it was
 * aborted.
 */
export interface ControlClient {
  status(signal?: AbortSignal, request?: RequestOf<'status'>): Promise<AnswerOf<'status'>>;
  reload(request: RequestOf<'reload'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'reload'>>;
  rollback(request: RequestOf<'rollback'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'rollback'>>;
  scale(request: RequestOf<'scale'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'scale'>>;
  /** Follows an earlier requested handover until its verdict. */
  wait(request: RequestOf<'wait'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'wait'>>;
  history(signal?: AbortSignal): Promise<AnswerOf<'history'>>;
  promote(signal?: AbortSignal): Promise<void>;
  abort(signal?: AbortSignal): Promise<void>;
  stop(request: RequestOf<'stop'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'stop'>>;
  upgrade(request: RequestOf<'upgrade'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'upgrade'>>;
  signal(request: RequestOf<'signal'>, signal?: AbortSignal): Promise<AnswerOf<'signal'>>;
  logs(request: RequestOf<'logs'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'logs'>>;
  /**
   * All events from now on, or after the event in the request if they are still stored. Ends when the supervisor
   * reports that it exits.
   */
  events(signal?: AbortSignal, request?: RequestOf<'events'>): AsyncIterable<AnswerOf<'events'>>;
  /** The id of the newest event. */
  newestEvent(signal?: AbortSignal): Promise<string>;
}

const PATIENCE = 10_000;
const ID = 'id: ';

const ANSWERS: { readonly [R in RouteName]: z.ZodMiniType<AnswerOf<R>> } = answers;

export function controlClient(options: ClientOptions): ControlClient {
  const { path, owner = null, version, patience = PATIENCE, protocol = PROTOCOL } = options;
  let hasAnswered = false;
  const supervisor = () => (hasAnswered ? null : (options.supervisor?.() ?? null));
  const send = async (name: RouteName, fields: object, signal: AbortSignal | undefined): Promise<Answer> => {
    const { method, path: route } = routes[name];
    const command = { version, protocol };
    const answer = await exchange({
      path,
      owner,
      patience,
      command,
      method,
      route,
      fields,
      signal,
      supervisor,
    });
    hasAnswered = true;
    return answer;
  };

  async function ask<R extends RouteName>(
    name: R,
    request: RequestOf<R>,
    signal?: AbortSignal,
  ): Promise<AnswerOf<R>> {
    const answer = await send(name, request, signal);
    const document = checked<AnswerOf<R>>(ANSWERS[name], await answer.document());
    if (document === null) throw answer.strange();
    return document;
  }

  async function* follow<R extends StreamName | 'events'>(
    name: R,
    request: RequestOf<R>,
    signal?: AbortSignal,
  ): AsyncGenerator<AnswerOf<R>> {
    const answer = await send(name, request, signal);
    for await (const line of textLines(answer.chunks(), MAX_ANSWER, () => answer.strange())) {
      const text = name === 'events' ? dataOf(line) : line;
      if (text === null) continue;
      const document = checked<AnswerOf<R>>(ANSWERS[name], answer.parse(text));
      // Kinds of lines that this version does not know are ignored.
      if (document !== null) yield document;
    }
  }

  return {
    status: (signal, request = {}) => ask('status', request, signal),
    reload: (request, signal) => follow('reload', request, signal),
    rollback: (request, signal) => follow('rollback', request, signal),
    scale: (request, signal) => follow('scale', request, signal),
    wait: (request, signal) => follow('wait', request, signal),
    history: (signal) => ask('history', {}, signal),
    promote: async (signal) => void (await ask('promote', {}, signal)),
    abort: async (signal) => void (await ask('abort', {}, signal)),
    stop: (request, signal) => follow('stop', request, signal),
    upgrade: (request, signal) => follow('upgrade', request, signal),
    signal: (request, signal) => ask('signal', request, signal),
    logs: (request, signal) => follow('logs', request, signal),
    events: (signal, request = {}) => follow('events', request, signal),
    async newestEvent(signal) {
      const done = new AbortController();
      const either = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
      const answer = await send('events', {}, either);
      try {
        // The answer begins with this id.
        for await (const line of textLines(answer.chunks(), MAX_ANSWER, () => answer.strange()))
          if (line.startsWith(ID)) return line.slice(ID.length);
        throw answer.strange();
      } finally {
        done.abort();
      }
    },
  };
}

/** The document of a server-sent event, which zero writes in one line; null for other fields of the event. */
function dataOf(line: string): string | null {
  return line.startsWith('data: ') ? line.slice('data: '.length) : null;
}

function checked<T>(schema: z.ZodMiniType<T>, value: unknown): T | null {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

/**
 * The lines of a stream, without newlines and without empty lines. An incomplete last line is dropped.
 * @param limit limit for a line in bytes; for a longer line `tooLong` creates the error
 */
async function* textLines(
  chunks: AsyncIterable<Buffer>,
  limit: number,
  tooLong: () => Error,
): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (end > 0) yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
    if (rest.length > limit) throw tooLong();
  }
}
