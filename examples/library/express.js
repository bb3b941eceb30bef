// Express: the library listens with, and drains, the node:http server whose request handler is the app.
import { createServer } from 'node:http';
import express from 'express';
import { createUpgrader, drain } from 'zerodown';

const upgrader = await createUpgrader();
process.on('SIGHUP', () => upgrader.upgrade().catch((error) => console.error(error.message)));
process.on('SIGTERM', () => upgrader.stop());

const app = express();
app.get('/', (_request, response) => response.send(`hello from ${process.pid}\n`));

const server = createServer(app);
await upgrader.listen(server, { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) });
await upgrader.ready();
console.log(`${process.pid} serves on port ${server.address().port}`);

await upgrader.exit;
await drain(server);
