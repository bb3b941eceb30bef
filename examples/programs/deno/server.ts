import { createServer } from 'node:http';

const server = createServer((_request, response) => response.end('hello\n'));
// The first descriptor that zero passes.
server.listen({ fd: 3 });
process.on('SIGTERM', () => server.close(() => process.exit(0)));
