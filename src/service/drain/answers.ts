import type { ServerResponse } from 'node:http';
import { closing, connectionIn, type Headers, withConnection } from './close-header.ts';
import { type Connection, connectionOf } from './connection.ts';
import { newestRequest } from './node-internals.ts';

type WriteHead = (this: ServerResponse, status: number, ...rest: unknown[]) => ServerResponse;

/** Decides, when the head of an answer is written, whether it tells the client to close. */
export type TellToClose = (connection: Connection) => boolean;

const deciders = new Set<TellToClose>();
let original: WriteHead | null = null;

/** Of http, loaded only when a server that speaks it is drained. */
const prototypeOf = (): { writeHead: WriteHead } =>
  process.getBuiltinModule('node:http').ServerResponse.prototype as unknown as { writeHead: WriteHead };

/**
 * From now on answers on the connections that `decide` names say `Connection: close`, whatever their handlers set. Every head passes here, explicit or
 * implicit, of an answer that was begun before or that waits behind another; wrappers of single answers (compression, on-headers) have
 * had their say by then. Returns what ends it.
 */
export function tellAnswersToClose(decide: TellToClose): () => void {
  deciders.add(decide);
  if (original === null) {
    const prototype = prototypeOf();
    original = prototype.writeHead;
    prototype.writeHead = writeClosingHead;
  }
  return () => {
    deciders.delete(decide);
    const prototype = prototypeOf();
    // Where somebody has put a wrapper of his own around it, it stays: without a decider it changes nothing.
    if (deciders.size > 0 || prototype.writeHead !== writeClosingHead || original === null) return;
    prototype.writeHead = original;
    original = null;
  };
}

function writeClosingHead(this: ServerResponse, status: number, ...rest: unknown[]): ServerResponse {
  const write = original as WriteHead;
  const connection = connectionToClose(this, status);
  if (connection === null) return Reflect.apply(write, this, [status, ...rest]);
  // writeHead(status[, reason][, headers])
  const last = rest.findLastIndex((given) => typeof given === 'object' && given !== null);
  if (last < 0) {
    this.setHeader('Connection', closing(this.getHeader('connection')));
  } else {
    const headers = rest[last] as Headers;
    rest[last] = withConnection(headers, closing(connectionIn(headers) ?? this.getHeader('connection')));
  }
  this.removeHeader('keep-alive');
  const written = Reflect.apply(write, this, [status, ...rest]);
  connection.toldToClose = true;
  if (!this.req.complete) closeBehindBody(this);
  return written;
}

/** Null where the answer may not, or need not, say that this is the last one. */
function connectionToClose(response: ServerResponse, status: number): Connection | null {
  // 1xx is not the answer yet, and 101 leaves HTTP (RFC 9110, 15.2).
  if (status < 200 || response.headersSent) return null;
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
