import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { MAX_ENDING_BYTES, MAX_ENDING_TIME } from '../linux/end-connection.ts';

/**
 * Ends a connection with FIN, even if the other end has sent data, as endConnection() ends a descriptor. A socket that
 * is destroyed with unread data, or before data arrives, sends a reset, which the service sees as an error.
 */
export function endSocket(socket: Socket): void {
  // Ignores errors of a connection that is no longer needed.
  socket.on('error', () => {});
  if (socket.connecting || socket.destroyed) {
    socket.destroy();
    return;
  }
  let left = MAX_ENDING_BYTES;
  const timer = setTimeout(() => socket.destroy(), MAX_ENDING_TIME).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left <= 0) socket.destroy();
  });
  socket.end();
  socket.resume();
}

/**
 * The same connection as a stream that can be destroyed at any time: the socket behind it still ends with FIN, see
 * endSocket().
 */
export function endingWithFin(socket: Socket): Duplex {
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => void socket.resume(),
    write: (chunk: Buffer, encoding, done) => void socket.write(chunk, encoding, done),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.off('data', read);
      endSocket(socket);
      done(error);
    },
  });
  const read = (chunk: Buffer): void => {
    if (!stream.push(chunk)) socket.pause();
  };
  socket.on('data', read);
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  return stream;
}
