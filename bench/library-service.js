// bench/service.ts, or with `--library` the same service with the library in dist/. Prints its port when it listens.
import { once } from 'node:events';
import { createServer } from 'node:http';

const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': 6 });
  response.end('hello\n');
});
server.keepAliveTimeout = 0;
const place = { host: '127.0.0.1', port: 0 };
if (process.argv[2] === '--library') {
  const { createUpgrader } = await import('zerodown');
  const upgrader = await createUpgrader();
  await upgrader.listen(server, place);
  await upgrader.ready();
} else {
  server.listen(place);
  await once(server, 'listening');
}
process.stdout.write(`${server.address().port}\n`);
