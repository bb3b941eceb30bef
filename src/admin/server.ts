import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Timers, unrefTimers } from '../common/clock.ts';
import { errorText } from '../common/errors.ts';
import type { Limits } from '../http/connections.ts';
import { type Feed, Followers } from '../http/follower.ts';
import { isOwnHost, isOwnOrigin, missingHost } from '../http/hosts.ts';
import { HttpServer, type RefusalCode, sendRaw } from '../http/server.ts';

/** The response to a request. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Server-sent events, until the client or the server closes the connection. */
export interface FeedAnswer {
  readonly feed: Feed;
}

export interface AdminServerOptions {
  /** A listening socket, which the server takes over. */
  readonly fd: number;
  /** The host in the config if only requests for this machine's own names are answered; null: all requests are. */
  readonly ownHost: string | null;
  /** Rejects only after a programming error. @param path without the query */
  readonly answer: (path: string) => Promise<Answer | FeedAnswer>;
  /** Logs one line. */
  readonly warn: (message: string) => void;
  readonly limits?: Limits;
  readonly timers?: Timers;
}

export interface AdminServer {
  /** Accepts no more requests. Written data is still sent. Does not keep the process alive. */
  close(): void;
}

const LIMITS: Limits = { connections: 32, patience: 10_000 };
/** Maximum number of open dashboards. Each keeps its connection, so a limit keeps connections free for monitoring. */
const MAX_FEEDS = 16;

const ALWAYS = {
  Connection: 'close',
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const TEXT = { 'Content-Type': 'text/plain; charset=utf-8' };
const STATUS: Readonly<Record<RefusalCode, number>> = {
  overloaded: 503,
  request_timeout: 408,
  headers_too_large: 431,
  bad_request: 400,
};

/** A line of text. */
export function textAnswer(status: number, line: string, headers?: Answer['headers']): Answer {
  return { status, type: TEXT['Content-Type'], body: `${line}\n`, ...(headers && { headers }) };
}

/**
 * Creates the HTTP server: GET and HEAD only, one request per connection. Whatever a client sends or omits, it receives
 * a response or loses its connection, and the supervisor keeps running.
 */
export async function createAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { fd, warn, limits = LIMITS, timers = unrefTimers } = options;
  const followers = new Followers(MAX_FEEDS, timers);
  const onRequest = async (request: IncomingMessage, response: ServerResponse) => {
    const { socket, method } = request;
    server.connections.working(socket);
    // The body is ignored. If it stayed unread, the kernel would reset the connection before the client has read the
    // response (tcp(7)).
    request.resume();
    for (const [name, value] of Object.entries(ALWAYS)) response.setHeader(name, value);
    const answer = await answerTo(request, options, (message) => server.warnOnce(message));
    if ('feed' in answer && method === 'GET' && !followers.areFull) {
      followers.follow(response, answer.feed, EVENTS);
      return;
    }
    const { status, type, body, headers } = 'feed' in answer ? unfollowed(method) : answer;
    const attempt = attemptOf(status, method);
    if (attempt !== null) {
      const client = socket.remoteAddress ?? 'a local client';
      server.refusals.report(attempt, `admin endpoint: refused ${attempt}, from ${client}`);
    }
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      ...headers,
    });
    response.end(body);
    // Not at the event `finish`, at which the peer has already received nearly everything.
    server.connections.answered(socket);
  };
  const server = new HttpServer({
    name: 'admin endpoint',
    limits,
    timers,
    warn,
    refuse: (socket, code, message) => sendRaw(socket, `${STATUS[code]} Refused`, TEXT, `${message}\n`),
    onRequest: (request, response) => void onRequest(request, response),
  });
  const listening = await server.listen(fd);

  return {
    close() {
      listening.close();
      followers.leave();
      server.closeConnections();
    },
  };
}

const EVENTS = 'text/event-stream';

function unfollowed(method: string | undefined): Answer {
  return method === 'HEAD'
    ? { status: 200, type: EVENTS, body: '' }
    : textAnswer(503, `${MAX_FEEDS} dashboards are open. Close one of them`);
}

async function answerTo(
  request: IncomingMessage,
  { answer, ownHost }: AdminServerOptions,
  warn: (message: string) => void,
): Promise<Answer | FeedAnswer> {
  const { method, url = '', headers } = request;
  const problem = missingHost(request);
  if (problem !== null) return textAnswer(400, problem);
  if (method !== 'GET' && method !== 'HEAD') {
    return textAnswer(405, 'this endpoint is read-only. Use GET or HEAD', { Allow: 'GET, HEAD' });
  }
  const { host, origin } = headers;
  if (ownHost !== null && !isOwnHost(host, ownHost))
    return textAnswer(403, `${host} is not a name of this machine. Use localhost`);
  if (!isOwnOrigin(origin, host)) return textAnswer(403, 'this request comes from a page of another origin');
  const path = url.replace(/[?#].*$/s, '');
  try {
    return await answer(path);
  } catch (error) {
    warn(`admin request ${path}: ${errorText(error)}`);
    return textAnswer(500, 'the request failed. See the log of zero');
  }
}

/** A client's forbidden attempt, for the log; null: an ordinary request. */
function attemptOf(status: number, method: string | undefined): string | null {
  if (status === 405) return `a request with the method ${method}`;
  return status === 403 ? 'a request with the name of another host or from a page of another origin' : null;
}
