const { fastify } = require('fastify');

const app = fastify();
app.get('/', async () => 'hello\n');
app.listen({ port: Number(process.env.PORT ?? 8080), host: process.env.HOST ?? '127.0.0.1' });
