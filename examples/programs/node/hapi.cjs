const Hapi = require('@hapi/hapi');

const server = Hapi.server({
  port: Number(process.env.PORT ?? 8080),
  host: process.env.HOST ?? '127.0.0.1',
});
server.route({ method: 'GET', path: '/', handler: () => 'hello\n' });
server.start();
// Registered after the server has started, as the documentation of hapi does it.
process.on('SIGTERM', async () => {
  await server.stop({ timeout: 10_000 });
  process.exit(0);
});
