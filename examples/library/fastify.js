// Fastify: its server exists once its plugins are loaded. Its own close() runs the hooks after the connections have
// ended.
import Fastify from 'fastify';
import { createUpgrader, drain } from 'zerodown';

const upgrader = await createUpgrader();
process.on('SIGHUP', () => upgrader.upgrade().catch((error) => console.error(error.message)));
process.on('SIGTERM', () => upgrader.stop());

const fastify = Fastify();
fastify.get('/', async () => `hello from ${process.pid}\n`);

await fastify.ready();
await upgrader.listen(fastify.server, { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) });
await upgrader.ready();
console.log(`${process.pid} serves on port ${fastify.server.address().port}`);

await upgrader.exit;
await drain(fastify.server);
await fastify.close();
