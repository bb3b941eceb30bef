#!/usr/bin/env node
// An HTTP service that can be replaced without a lost request. It does not depend on zero: any manager that passes a
// listening socket as descriptor 3 (LISTEN_FDS, as systemd does) can run it.
import { createServer } from 'node:http';
import { Server as NetServer } from 'node:net';

const generation = process.env.ZERO_GENERATION ?? '1';
const idleTimeout = 2000;
let draining = false;

const server = createServer((_request, response) => {
  // The client opens a new connection for its next request, which reaches the new generation.
  if (draining) response.setHeader('Connection', 'close');
  response.setHeader('Content-Type', 'text/plain');
  response.end(`hello from generation ${generation}, pid ${process.pid}\n`);
});

// Browsers open connections in advance. http's closeIdleConnections() does not count a connection without a request as
// idle.
const sockets = new Set();
server.on('connection', (socket) => {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

// The first socket that was passed is descriptor 3. Without one the service opens its own, so it can also run alone.
const handedOver = Number(process.env.LISTEN_FDS ?? 0) > 0;
server.listen(handedOver ? { fd: 3 } : { host: '127.0.0.1', port: 8080 }, () => {
  const address = server.address();
  const where = typeof address === 'string' ? address : `port ${address.port}`;
  console.log(`generation ${generation}, pid ${process.pid}: serving on ${where}`);
});

function drain() {
  if (draining) return;
  draining = true;
  console.log(`generation ${generation}, pid ${process.pid}: draining`);
  // http's own close() would also close the idle connections now, and a client may be sending its next request on one.
  // net's close() only stops accepting. It calls back when the last connection has ended.
  NetServer.prototype.close.call(server, () => process.exit(0));
  // Requests in progress are answered. Connections that stay idle are closed at the end.
  setInterval(() => {
    server.closeIdleConnections();
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  }, idleTimeout);
}

process.on('SIGTERM', drain);
process.on('SIGINT', drain);
