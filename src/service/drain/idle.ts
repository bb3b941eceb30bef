import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection } from './connection.ts';
import { answerUnderWay, isParsed, newestRequest } from './node-internals.ts';

/** Whether the connection speaks HTTP/1.1, or will speak it when the client sends its first bytes. */
export const speaksHttp1 = ({ session, upgraded, socket }: Connection): boolean =>
  session === null && upgraded === null && isParsed(socket);

/**
 * Whether the connection is open without a request in progress. Only Node knows about a request whose head has arrived
 * in part.
 */
export const isBetweenRequests = ({ socket }: Connection): boolean =>
  !socket.writableEnded && answerUnderWay(socket) === null && newestRequest(socket)?.complete !== false;

/** Whether the client has sent nothing yet. */
export const isSilent = ({ socket }: Connection): boolean => socket.bytesRead === 0;

/** How long a client may take to close its side, in ms. */
const MAX_LINGER = 1000;

/**
 * Closes the write side of an idle HTTP/1.1 connection and waits for the client to close its side. Data that arrives
 * meanwhile was already on its way. It is recorded, but not passed to the service, which could no longer answer.
 */
export function closeIdle(connection: Connection): void {
  const { socket } = connection;
  connection.fate = 'closed idle';
  const readers = socket.listeners('data') as ((chunk: Buffer) => void)[];
  // A listener for `data` takes the socket from Node's parser (lib/_http_server.js, socketListenerWrap).
  socket.on('data', () => {
    connection.raced = true;
  });
  for (const reader of readers) socket.removeListener('data', reader);
  socket.resume();
  socket.end();
  socket.setTimeout(MAX_LINGER, () => socket.destroy());
}

const listens = (emitter: Socket | IncomingMessage | NodeJS.EventEmitter | null): boolean =>
  emitter !== null && emitter.listenerCount('timeout') > 0;

/**
 * Handles the timeout of a socket that was silent for keepAliveTimeout or `server.timeout`. Does what Node does if
 * nobody listens for the server's `timeout` event, but closes an idle connection gracefully.
 */
export function onServerTimeout(connection: Connection): void {
  const { socket, fate } = connection;
  if (fate === null && speaksHttp1(connection) && isBetweenRequests(connection)) {
    closeIdle(connection);
    return;
  }
  const request = newestRequest(socket);
  // With a listener for `timeout` on the request or the response, the service handles the timeout itself
  // (lib/_http_server.js, socketOnTimeout).
  if (listens(answerUnderWay(socket)) || (request?.complete === false && listens(request))) return;
  socket.destroy();
}
