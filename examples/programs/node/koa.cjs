const Koa = require('koa');

const app = new Koa();
app.use((context) => {
  context.body = 'hello\n';
});
app.listen(Number(process.env.PORT ?? 8080));
