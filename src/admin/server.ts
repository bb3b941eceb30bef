import type { IncomingMessage, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { type Timers, unrefTimers } from '../common/clock.ts';
import { errorText } from '../common/errors.ts';
import { Connections, type Limits } from '../http/connections.ts';
import { type Feed, Follower } from '../http/follower.ts';
import { Refusals } from '../http/refusals.ts';
import { isOwnHost, isOwnOrigin } from './hosts.ts';

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
const HEADER_LIMIT = 8 * 1024;

const ALWAYS = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A line of text. */
export function textAnswer(status: number, line: string, headers?: Answer['headers']): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n`, ...(headers && { headers }) };
}

/**
 * Creates the HTTP server: GET and HEAD only, one request per connection. Whatever a client sends or omits, it receives
 * a response or loses its connection, and the supervisor keeps running.
 */
export async function createAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { warn, limits = LIMITS, timers = unrefTimers } = options;
  const { createServer } = await import('node:http');
  const connections = new Connections(limits, timers, (socket, why, message) =>
    refuse(socket, why === 'overloaded' ? 503 : 408, message),
  );
  const sockets = new Set<Socket>();
  const followers = new Set<Follower>();
  // Each warning is logged once, so that no client can fill the log.
  const warned = new Set<string>();
  const warnOnce = (message: string) => {
    if (!warned.has(message)) warn(message);
    warned.add(message);
  };

  const follow = (response: ServerResponse, feed: Feed) => {
    const closed = () => followers.delete(follower);
    const follower = new Follower({ response, feed, contentType: EVENTS, timers, closed });
    followers.add(follower);
    for (const [name, value] of Object.entries(ALWAYS)) response.setHeader(name, value);
    response.setHeader('Connection', 'close');
    follower.start();
  };

  const refusals = new Refusals(warn);
  const onRequest = async (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    connections.working(socket);
    // The body is ignored. If it stayed unread, the kernel would reset the connection before the client has read the
    // response (tcp(7)).
    request.resume();
    const answer = await answerTo(request, options, warnOnce);
    if ('feed' in answer && request.method === 'GET' && followers.size < MAX_FEEDS) {
      follow(response, answer.feed);
      return;
    }
    const { status, type, body, headers } = 'feed' in answer ? unfollowed(request.method) : answer;
    const attempt = attemptOf(status, request.method);
    if (attempt !== null)
      refusals.report(
        attempt,
        `admin endpoint: refused ${attempt}, from ${socket.remoteAddress ?? 'a local client'}`,
      );
    response.writeHead(status, {
      ...ALWAYS,
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      Connection: 'close',
      ...headers,
    });
    response.end(body);
    // Not at the event `finish`, at which the peer has already received nearly everything.
    connections.answered(socket);
  };
  // This server only parses connections that were accepted for it. So it starts no timer of its own, which would wake
  // the supervisor twice a minute.
  const parser = createServer(
    { maxHeaderSize: HEADER_LIMIT },
    (request, response) => void onRequest(request, response),
  );
  parser.maxRequestsPerSocket = 1;
  parser.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const why = tooLarge
      ? `the headers are larger than ${HEADER_LIMIT} bytes`
      : 'this is not an HTTP request';
    refuse(socket as Socket, tooLarge ? 431 : 400, why);
  });

  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A peer that closes its connection is not an error. Without a listener the error would end the process.
    socket.on('error', () => {});
    if (connections.add(socket)) parser.emit('connection', socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd: options.fd }, resolve);
  });
  server.removeAllListeners('error');
  // After a failed accept (EMFILE) only this client's connection is lost.
  server.on('error', (error) => warnOnce(`admin endpoint: ${error.message}`));

  return {
    close() {
      server.close();
      for (const follower of followers) follower.leave();
      for (const socket of sockets) socket.unref().destroySoon();
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
  { method, url = '', headers }: IncomingMessage,
  { answer, ownHost }: AdminServerOptions,
  warn: (message: string) => void,
): Promise<Answer | FeedAnswer> {
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

/** Sends a response without a request, and closes the connection. */
function refuse(socket: Socket, status: number, message: string): void {
  const body = `${message}\n`;
  const head = [
    `HTTP/1.1 ${status} Refused`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}
