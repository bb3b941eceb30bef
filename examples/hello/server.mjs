#!/usr/bin/env node
// An HTTP service that can be replaced without a lost request. It needs nothing of zero: any manager that hands over a listening socket
// as descriptor 3 (LISTEN_FDS, as systemd does) can run it.
import { createServer } from 'node:http';
import { Server as NetServer } from 'node:net';

const generation = process.env.ZERO_GENERATION ?? '1';
const idleTimeout = 2000;
let draining = false;

const server = createServer((_request, response) => {
  // Tells a client on a kept connection to open a new one for its next request: the new generation gets that.
  if (draining) response.setHeader('Connection', 'close');
  response.setHeader('Content-Type', 'text/plain');
  response.end(`hello from generation ${generation}, pid ${process.pid}\n`);
});

// Browsers open connections in advance. One that has not asked for anything yet is not idle to http's closeIdleConnections().
const sockets = new Set();
server.on('connection', (socket) => {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

// The first socket that was handed over is descriptor 3. Without one the service opens its own, so that it can be tried alone.
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
  // http's own close() would also close the idle connections now, maybe just as a client sends its next request on one. net's close()
  // only stops accepting; it calls back when the last connection has ended.
  NetServer.prototype.close.call(server, () => process.exit(0));
  // Requests under way are answered; a connection that stays idle is closed in the end.
  setInterval(() => {
    server.closeIdleConnections();
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  }, idleTimeout);
}

process.on('SIGTERM', drain);
process.on('SIGINT', drain);
