// HTTP/2: a drain sends GOAWAY. Clients then open their next stream on a new connection, which the new process accepts.
import { createServer } from 'node:http2';
import { createUpgrader, drain } from 'zerodown';

const upgrader = await createUpgrader();
process.on('SIGHUP', () => upgrader.upgrade().catch((error) => console.error(error.message)));
process.on('SIGTERM', () => upgrader.stop());

const server = createServer((_request, response) => response.end(`hello from ${process.pid}\n`));
await upgrader.listen(server, { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) });
await upgrader.ready();
console.log(`${process.pid} serves on port ${server.address().port}`);

await upgrader.exit;
await drain(server);
