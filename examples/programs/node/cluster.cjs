const cluster = require('node:cluster');
const { createServer } = require('node:http');

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  createServer((_request, response) => response.end('hello\n')).listen(Number(process.env.PORT ?? 8080));
}
