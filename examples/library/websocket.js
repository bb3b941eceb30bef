// WebSocket: a drain closes each connection with code 1012 (service restart). The client connects again and reaches the
// new process.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { createUpgrader, drain } from 'zerodown';

const upgrader = await createUpgrader();
process.on('SIGHUP', () => upgrader.upgrade().catch((error) => console.error(error.message)));
process.on('SIGTERM', () => upgrader.stop());

const server = createServer();
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket) => {
  socket.on('message', () => socket.send(`hello from ${process.pid}\n`));
});
await upgrader.listen(server, { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) });
await upgrader.ready();
console.log(`${process.pid} serves on port ${server.address().port}`);

await upgrader.exit;
await drain(server);
