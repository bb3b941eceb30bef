import type { ServerResponse } from 'node:http';
import { closing, connectionIn, type Headers, withConnection } from './close-header.ts';
import { type Connection, connectionOf } from './connection.ts';
import { newestRequest } from './node-internals.ts';

/** Makes the head's text of the status line and the headers; where some were set before, it is given those (lib/_http_outgoing.js). */
type StoreHeader = (this: ServerResponse, statusLine: string, headers: Headers | undefined) => void;

/** Decides, when the head of an answer is written, whether it tells the client to close. */
export type TellToClose = (connection: Connection) => boolean;

const deciders = new Set<TellToClose>();
let original: StoreHeader | null = null;

/** Of http, loaded only when a server that speaks it is drained. */
const prototypeOf = (): { _storeHeader: StoreHeader } =>
  process.getBuiltinModule('node:http').ServerResponse.prototype as unknown as { _storeHeader: StoreHeader };

/**
 * From now on answers on the connections that `decide` names say `Connection: close`, whatever their handlers set. Every head passes here, explicit or
 * implicit, of an answer that was begun before or that waits behind another, also of one whose `writeHead` somebody has wrapped before (compression,
 * on-headers). Returns what ends it.
 */
export function tellAnswersToClose(decide: TellToClose): () => void {
  deciders.add(decide);
  const prototype = prototypeOf();
  if (original === null) {
    original = prototype._storeHeader;
    prototype._storeHeader = storeClosingHeader;
  }
  return () => {
    deciders.delete(decide);
    // Where somebody has put a wrapper of his own around it, it stays: without a decider it changes nothing.
    if (deciders.size > 0 || prototype._storeHeader !== storeClosingHeader || original === null) return;
    // It is inherited from http.OutgoingMessage.
    Reflect.deleteProperty(prototype, '_storeHeader');
    if (prototype._storeHeader !== original) prototype._storeHeader = original;
    original = null;
  };
}

function storeClosingHeader(this: ServerResponse, statusLine: string, headers: Headers | undefined): void {
  const connection = connectionToClose(this);
  let told = headers;
  if (connection !== null) {
    if (this.getHeaderNames().length > 0) {
      this.setHeader('Connection', closing(this.getHeader('connection')));
      this.removeHeader('keep-alive');
    } else {
      told = withConnection(headers ?? {}, closing(connectionIn(headers ?? {})));
    }
  }
  Reflect.apply(original as StoreHeader, this, [statusLine, told]);
  if (connection === null) return;
  connection.toldToClose = true;
  if (!this.req.complete) closeBehindBody(this);
}

/** Null where the answer may not, or need not, say that this is the last one. */
function connectionToClose(response: ServerResponse): Connection | null {
  // 1xx is not the answer yet, and 101 leaves HTTP (RFC 9110, 15.2).
  if (response.statusCode < 200) return null;
  const connection = connectionOf(response.req.socket);
  if (connection === undefined) return null;
  // A request that is behind this one on the same connection has reached its handler: its answer is the one that says it.
  const newest = newestRequest(connection.socket);
  if (newest !== null && newest !== response.req) return null;
  for (const decide of deciders) if (decide(connection)) return connection;
  return null;
}

/**
 * Node destroys the socket when an answer that said close is written. While the rest of the request's body still arrives the kernel would answer it with
 * a reset, and the client could lose the answer (RFC 9112, 9.6): close this side only, and all of it behind the body.
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
