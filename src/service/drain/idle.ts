import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection } from './connection.ts';
import { answerUnderWay, isParsed, newestRequest } from './node-internals.ts';

/** Whether HTTP/1.1 is spoken on it, or will be when the client says something. */
export const speaksHttp1 = ({ session, upgraded, socket }: Connection): boolean =>
  session === null && upgraded === null && isParsed(socket);

/** Whether it is open and no request is under way. Of one whose head has come only in part Node itself has to be asked. */
export const isBetweenRequests = ({ socket }: Connection): boolean =>
  !socket.writableEnded && answerUnderWay(socket) === null && newestRequest(socket)?.complete !== false;

/** Whether nothing was ever said on it. */
export const isSilent = ({ socket }: Connection): boolean => socket.bytesRead === 0;

/** How long a client may take to close its side, in ms. */
const LONGEST_LINGER = 1000;

/**
 * Closes this side of an idle HTTP/1.1 connection and waits for the client to close its own. What it sends meanwhile was on its way already; it is noted, and
 * kept from the service, which could not answer it any more.
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
  socket.setTimeout(LONGEST_LINGER, () => socket.destroy());
}

const listens = (emitter: Socket | IncomingMessage | NodeJS.EventEmitter | null): boolean =>
  emitter !== null && emitter.listenerCount('timeout') > 0;

/**
 * What is due on a socket of the server that has said nothing for as long as keepAliveTimeout or `server.timeout` allows: what Node would do by itself if
 * nobody listened for the server's `timeout`, except that the close of an idle connection is seen through.
 */
export function onServerTimeout(connection: Connection): void {
  const { socket, fate } = connection;
  if (fate === null && speaksHttp1(connection) && isBetweenRequests(connection)) {
    closeIdle(connection);
    return;
  }
  const request = newestRequest(socket);
  // A listener on the request or the answer makes the timeout the service's own affair (lib/_http_server.js, socketOnTimeout).
  if (listens(answerUnderWay(socket)) || (request?.complete === false && listens(request))) return;
  socket.destroy();
}
