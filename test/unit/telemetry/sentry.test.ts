import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { createSentry } from '../../../src/telemetry/sentry.ts';
import { sentryReportOf } from '../../../src/telemetry/sentry-report.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { facts } from './facts.ts';

const SECRET = 'hunter22';
const KEY = 'a1b2c3d4';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function ingest(listener?: RequestListener) {
  const bodies: string[] = [];
  const urls: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    urls.push(request.url ?? '');
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push(body);
      if (listener) listener(request, response);
      else response.end('{}');
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, bodies, urls, dsn: `http://${KEY}@127.0.0.1:${port}/1` };
}

function sentryTo(dsn: string) {
  const warnings: string[] = [];
  let warned: (message: string) => void = () => {};
  const sentry = createSentry({
    dsn,
    release: '1.2.3',
    tags: { name: 'example', directory: '/srv/example', path: 'bin/example' },
    secrets: () => [SECRET],
    timers: new ManualTimers(),
    warn(message) {
      warnings.push(message);
      warned(message);
    },
  });
  const nextWarning = () =>
    new Promise<string>((resolve) => {
      warned = resolve;
    });
  return { sentry, warnings, nextWarning };
}

describe('reports to Sentry', () => {
  it('cover failed handovers, crashes and errors', () => {
    const reported = Object.values(facts).filter((fact) => sentryReportOf(fact) !== null);
    assert.deepEqual(
      reported.map((fact) => fact.event),
      ['worker_spawn_failed', 'worker_exited', 'handover_finished', 'error'],
    );
    assert.equal(sentryReportOf({ ...facts.worker_exited, expected: true }), null);
    assert.equal(sentryReportOf({ ...facts.handover_finished, outcome: 'aborted' }), null);
    assert.equal(sentryReportOf({ ...facts.handover_finished, outcome: 'promoted', failure: null }), null);
  });

  it('have their tags and no secrets', async () => {
    process.env.ZERO_TEST_ENVIRONMENT_VALUE = 'value-of-the-environment';
    const { bodies, urls, dsn } = await ingest();
    const { sentry, warnings } = sentryTo(dsn);
    sentry.report(facts.handover_finished);
    sentry.report(facts.worker_ready);
    await sentry.close(10_000);
    delete process.env.ZERO_TEST_ENVIRONMENT_VALUE;
    assert.equal(bodies.length, 1);
    assert.match(urls[0] ?? '', /^\/api\/1\/envelope\//);
    const body = bodies[0] ?? '';
    const [, header, payload] = body.split('\n').map((line) => JSON.parse(line));
    assert.equal(header.type, 'event');
    assert.equal(payload.release, '1.2.3');
    assert.equal(payload.level, 'error');
    assert.deepEqual(payload.tags, { name: 'example', directory: '/srv/example', path: 'bin/example' });
    assert.deepEqual(payload.exception.values, [
      { type: 'HandoverFailed', value: 'readiness.http: GET /healthz: 503' },
    ]);
    assert.deepEqual(payload.fingerprint, ['HandoverFailed', 'readiness.http']);
    assert.deepEqual(payload.extra, {
      handover: 2,
      outcome: 'rolled_back',
      duration_ms: 5000,
      step: 'readiness.http',
      reason: 'GET /healthz: 503',
      generation: 3,
      worker: 0,
      exit: 'killed by SIGSEGV (core dumped)',
      output: ['starting', 'token [redacted] refused', 'DATABASE_URL=[redacted]'],
    });
    for (const secret of [SECRET, 'postgres', 'value-of-the-environment', hostname()]) {
      assert.equal(body.includes(secret), false, secret);
    }
    // Sentry's own key is only in the header of the envelope, for Sentry.
    assert.equal(JSON.stringify(payload).includes(KEY), false);
    for (const key of ['server_name', 'user', 'request', 'modules', 'breadcrumbs'])
      assert.equal(key in payload, false, key);
    assert.deepEqual(Object.keys(payload.contexts ?? {}), ['trace']);
    assert.deepEqual(warnings, []);
  });

  it('are dropped with one warning if the server does not respond', async () => {
    const { server, dsn } = await ingest();
    server.close();
    await once(server, 'close');
    const { sentry, warnings, nextWarning } = sentryTo(dsn);
    const warning = nextWarning();
    sentry.report(facts.error);
    assert.equal(await warning, 'report to Sentry: ECONNREFUSED');
    sentry.report(facts.error);
    await sentry.close(10_000);
    assert.deepEqual(warnings, ['report to Sentry: ECONNREFUSED']);
  });

  it('pause when Sentry requests it', async () => {
    const { bodies, dsn } = await ingest((_, response) => {
      response.writeHead(429, { 'retry-after': '60' }).end();
    });
    const { sentry, warnings } = sentryTo(dsn);
    sentry.report(facts.error);
    await sentry.close(10_000);
    sentry.report(facts.error);
    await sentry.close(10_000);
    assert.equal(bodies.length, 1);
    assert.deepEqual(warnings, []);
  });

  it('never contain the DSN', async (context) => {
    const printed: unknown[] = [];
    context.mock.method(console, 'error', (...text: unknown[]) => printed.push(...text));
    const { sentry, warnings } = sentryTo('https://not-a-key!@example.org/x');
    sentry.report(facts.error);
    await sentry.close(10_000);
    assert.deepEqual(warnings, ['sentry_dsn is not a valid Sentry DSN: zero reports nothing to Sentry']);
    assert.deepEqual(printed, []);
  });
});
