// UDP: both processes read from one socket for a moment, and each datagram is read once.
import { createSocket } from 'node:dgram';
import { createUpgrader } from 'zerodown';

const upgrader = await createUpgrader();
process.on('SIGHUP', () => upgrader.upgrade().catch((error) => console.error(error.message)));
process.on('SIGTERM', () => upgrader.stop());

const socket = createSocket('udp4');
socket.on('message', (_message, { port, address }) =>
  socket.send(`hello from ${process.pid}\n`, port, address),
);
await upgrader.bind(socket, { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) });
await upgrader.ready();
console.log(`${process.pid} serves on port ${socket.address().port}`);

await upgrader.exit;
socket.close();
