// The small and fast service that is measured with and without zero. `--fd N` passes a listening socket. Otherwise it
// binds a port and prints it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const fd = process.argv[2] === '--fd' ? Number(process.argv[3]) : null;
const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': 6 });
  response.end('hello\n');
});
server.keepAliveTimeout = 0;
server.listen(fd === null ? { host: '127.0.0.1', port: 0 } : { fd }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
