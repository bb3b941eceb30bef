import type { ServerResponse } from 'node:http';
import { closing, connectionIn, type Headers, withConnection } from './close-header.ts';
import { type Connection, connectionOf } from './connection.ts';
import { newestRequest } from './node-internals.ts';

/**
 * Writes the status line and the headers into the head of the response. Receives the headers that were set before, if
 * any (lib/_http_outgoing.js).
 */
type StoreHeader = (this: ServerResponse, statusLine: string, headers: Headers | undefined) => void;

/** Decides, when the head of a response is written, whether the response asks the client to close. */
export type ShouldClose = (connection: Connection) => boolean;

const deciders = new Set<ShouldClose>();
let original: StoreHeader | null = null;

/** The prototype of http, loaded only when a server that speaks HTTP is drained. */
const prototypeOf = (): { _storeHeader: StoreHeader } =>
  process.getBuiltinModule('node:http').ServerResponse.prototype as unknown as { _storeHeader: StoreHeader };

/**
 * Adds `Connection: close` to every response on the connections that `decide` selects, whatever their handlers set.
 * Every head passes through this function: explicit and implicit ones, responses that began earlier or wait behind
 * another one, and responses whose `writeHead` was wrapped earlier (compression, on-headers). Returns a function that
 * ends this.
 */
export function closeAfterAnswers(decide: ShouldClose): () => void {
  deciders.add(decide);
  const prototype = prototypeOf();
  if (original === null) {
    original = prototype._storeHeader;
    prototype._storeHeader = storeClosingHeader;
  }
  return () => {
    deciders.delete(decide);
    // A wrapper that other code installed around this one stays: without a decider it changes nothing.
    if (deciders.size > 0 || prototype._storeHeader !== storeClosingHeader || original === null) return;
    // The method is inherited from http.OutgoingMessage.
    Reflect.deleteProperty(prototype, '_storeHeader');
    if (prototype._storeHeader !== original) prototype._storeHeader = original;
    original = null;
  };
}

function storeClosingHeader(this: ServerResponse, statusLine: string, headers: Headers | undefined): void {
  const connection = connectionToClose(this);
  let sent = headers;
  if (connection !== null) {
    if (this.getHeaderNames().length > 0) {
      this.setHeader('Connection', closing(this.getHeader('connection')));
      this.removeHeader('keep-alive');
    } else {
      sent = withConnection(headers ?? {}, closing(connectionIn(headers ?? {})));
    }
  }
  Reflect.apply(original as StoreHeader, this, [statusLine, sent]);
  if (connection === null) return;
  connection.toldToClose = true;
  if (!this.req.complete) closeBehindBody(this);
}

/** The connection that this response should close; null if the response may not or need not announce the close. */
function connectionToClose(response: ServerResponse): Connection | null {
  // A 1xx response is not final, and 101 switches to another protocol (RFC 9110, 15.2).
  if (response.statusCode < 200) return null;
  const connection = connectionOf(response.req.socket);
  if (connection === undefined) return null;
  // A later request on the same connection has already reached its handler, so the response to that one announces the
  // close.
  const newest = newestRequest(connection.socket);
  if (newest !== null && newest !== response.req) return null;
  for (const decide of deciders) if (decide(connection)) return connection;
  return null;
}

/**
 * Node destroys the socket after a response with `Connection: close`. If the rest of the request's body is still
 * arriving, the kernel would send a reset, and the client could lose the response (RFC 9112, 9.6). So only the write
 * side is closed now, and the whole socket after the body.
 */
function closeBehindBody({ req }: ServerResponse): void {
  const { socket } = req;
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon');
    if (req.complete) {
      socket.destroySoon();
    } else {
      socket.end();
      req.once('end', () => socket.destroySoon());
    }
  };
}
