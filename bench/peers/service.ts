// The service that is compared under different managers: node service.js MARKER PORT [dies]
// It takes the socket that a manager passes (LISTEN_FDS, SERVER_STARTER_PORT), otherwise it listens on the port. With
// `dies` it has no handler for signals.
import { createServer } from 'node:http';

const [, , , port = '0', dies] = process.argv;
const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': 6 });
  response.end('hello\n');
});
server.keepAliveTimeout = 0;

const started = /=(\d+)/.exec(process.env.SERVER_STARTER_PORT ?? '')?.[1];
const fd = process.env.LISTEN_FDS === undefined ? started : '3';
server.listen(fd === undefined ? { host: '127.0.0.1', port: Number(port) } : { fd: Number(fd) }, () =>
  process.send?.('ready'),
);

if (dies === undefined)
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => server.close(() => process.exit(0)));
