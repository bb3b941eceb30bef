import type * as z from 'zod/mini';
import { answers } from './documents.ts';
import { type Answer, exchange, MAX_ANSWER } from './exchange.ts';
import { type AnswerOf, type RequestOf, type RouteName, routes, type StreamName } from './protocol.ts';
import { PROTOCOL } from './version.ts';

export interface ClientOptions {
  /** The control socket. */
  readonly path: string;
  /** The owner of the instance, who must listen there; left out where that is not known. */
  readonly owner?: number;
  /** The release of this command. */
  readonly version: string;
  /** Milliseconds until an answer must have begun, and a plain one be whole. */
  readonly patience?: number;
  /** The version of the protocol; for tests. */
  readonly protocol?: number;
}

/** Asks one supervisor. Everything rejects with ClientError, or with the reason of `signal` once that is aborted. */
export interface ControlClient {
  status(signal?: AbortSignal, request?: RequestOf<'status'>): Promise<AnswerOf<'status'>>;
  reload(request: RequestOf<'reload'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'reload'>>;
  rollback(request: RequestOf<'rollback'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'rollback'>>;
  scale(request: RequestOf<'scale'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'scale'>>;
  /** Follows a handover that was requested before, until its verdict. */
  wait(request: RequestOf<'wait'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'wait'>>;
  history(signal?: AbortSignal): Promise<AnswerOf<'history'>>;
  promote(signal?: AbortSignal): Promise<void>;
  abort(signal?: AbortSignal): Promise<void>;
  stop(request: RequestOf<'stop'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'stop'>>;
  upgrade(request: RequestOf<'upgrade'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'upgrade'>>;
  signal(request: RequestOf<'signal'>, signal?: AbortSignal): Promise<AnswerOf<'signal'>>;
  logs(request: RequestOf<'logs'>, signal?: AbortSignal): AsyncIterable<AnswerOf<'logs'>>;
  /**
   * Everything that happens from now on, or after the event in the request, as far as it is kept. Ends where the
   * supervisor reports that it leaves.
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
  const send = (name: RouteName, fields: object, signal: AbortSignal | undefined): Promise<Answer> => {
    const { method, path: route } = routes[name];
    return exchange({ path, owner, patience, command: { version, protocol }, method, route, fields, signal });
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
      // A kind of line that this version does not know is not for it.
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
        // The answer begins with it.
        for await (const line of textLines(answer.chunks(), MAX_ANSWER, () => answer.strange()))
          if (line.startsWith(ID)) return line.slice(ID.length);
        throw answer.strange();
      } finally {
        done.abort();
      }
    },
  };
}

/** The document of a server-sent event, which zero writes in one line; null for its other fields. */
function dataOf(line: string): string | null {
  return line.startsWith('data: ') ? line.slice('data: '.length) : null;
}

function checked<T>(schema: z.ZodMiniType<T>, value: unknown): T | null {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

/**
 * The lines of a stream, without their newlines and without empty ones. What comes after the last newline counts as cut off and is left out.
 * @param limit bytes of the longest line; where one is longer, `tooLong` makes the error
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
