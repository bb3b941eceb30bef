require('reflect-metadata');
const { Controller, Get, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');

class Hello {
  hello() {
    return 'hello\n';
  }
}
// What a compiler makes of decorators.
Get()(Hello.prototype, 'hello', Object.getOwnPropertyDescriptor(Hello.prototype, 'hello'));
Controller()(Hello);

class App {}
Module({ controllers: [Hello] })(App);

NestFactory.create(App).then((app) => {
  app.enableShutdownHooks();
  return app.listen(Number(process.env.PORT ?? 8080));
});
