import type { CompatServer } from '../server.ts';

/** A program in examples/programs/node with the config that `zero init` writes. */
const node = (title: string, npm: string, file: string, more: Partial<CompatServer> = {}): CompatServer => ({
  title,
  source: { npm },
  example: 'node',
  command: ['node', file],
  ...more,
});

const CLOSED_SESSIONS = 'sessions are closed; a message that a client sends at that moment gets no reply';

const bin = (name: string): string => `node_modules/.bin/${name}`;

/** Servers from npm. Their versions are in test/compat/packages/package.json. */
export const NPM_SERVERS: readonly CompatServer[] = [
  node('Express', 'express', 'express.cjs'),
  node('Fastify', 'fastify', 'fastify.cjs'),
  node('Koa', 'koa', 'koa.cjs'),
  node('Hono', 'hono', 'hono.mjs'),
  node('NestJS', '@nestjs/core', 'nest.cjs'),
  node('hapi', '@hapi/hapi', 'hapi.cjs'),
  node('Apollo Server', '@apollo/server', 'apollo.mjs', { path: '/?query=%7Bhello%7D' }),
  {
    title: 'Next.js',
    source: { npm: 'next' },
    example: 'next',
    build: [[bin('next'), 'build', '--webpack']],
    command: [bin('next'), 'start'],
  },
  {
    title: 'Nitro',
    source: { npm: 'nitropack' },
    example: 'nitro',
    build: [[bin('nitropack'), 'build']],
    command: ['node', '.output/server/index.mjs'],
  },
  {
    title: 'react-router-serve',
    source: { npm: '@react-router/serve' },
    example: 'react-router',
    build: [[bin('react-router'), 'build']],
    command: [bin('react-router-serve'), 'build/server/index.js'],
  },
  {
    title: 'vite preview',
    source: { npm: 'vite' },
    example: 'vite',
    build: [[bin('vite'), 'build']],
    command: [bin('vite'), 'preview', '--host', 'HOST', '--port', 'PORT', '--strictPort'],
  },
  {
    title: 'http-server',
    source: { npm: 'http-server' },
    example: 'node',
    command: [bin('http-server'), 'public', '-a', 'HOST', '-p', 'PORT', '--silent'],
    warnings: 'it uses a function that Node reports as deprecated',
  },
  {
    title: 'json-server',
    source: { npm: 'json-server' },
    example: 'node',
    command: [bin('json-server'), '--host', 'HOST', '--port', 'PORT', '--quiet', 'db.json'],
    path: '/items',
  },
  node('ws', 'ws', 'ws.cjs', { client: 'websocket', closesIdle: true, keptNote: CLOSED_SESSIONS }),
  node('socket.io', 'socket.io', 'socket-io.cjs', {
    client: 'websocket',
    path: '/socket.io/?EIO=4&transport=websocket',
    closesIdle: true,
    keptNote: CLOSED_SESSIONS,
  }),
  { ...node('node:cluster', 'express', 'cluster.cjs'), source: { node: true } },
  { ...node('tsx', 'tsx', ''), command: ['node', '--import', 'tsx', 'typescript.ts'] },
  { ...node('ts-node', 'ts-node', ''), command: ['node', '--require', 'ts-node/register', 'typescript.ts'] },
  {
    ...node('OpenTelemetry', '@opentelemetry/auto-instrumentations-node', ''),
    command: ['node', '--require', '@opentelemetry/auto-instrumentations-node/register', 'express.cjs'],
    environment: {
      OTEL_NODE_RESOURCE_DETECTORS: 'env,host,os',
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    },
  },
  {
    ...node('dd-trace', 'dd-trace', ''),
    command: ['node', '--require', 'dd-trace/init', 'express.cjs'],
    warnings: 'it reports that no Datadog agent runs here',
  },
  {
    ...node('newrelic', 'newrelic', ''),
    command: ['node', '--require', 'newrelic', 'express.cjs'],
    environment: {
      NEW_RELIC_APP_NAME: 'example',
      NEW_RELIC_LICENSE_KEY: '0'.repeat(40),
      NEW_RELIC_LOG: 'stdout',
    },
    warnings: 'it reports that its collector cannot be reached',
  },
  {
    title: 'Deno',
    source: { npm: 'deno' },
    example: 'deno',
    config: 'deno.yaml',
    closesIdle: true,
  },
];
