import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { ManualTimers } from '../../support/manual-timers.ts';
import { connect, received, talk } from '../control/fixture.ts';
import { get, parse, serveAdmin, serveAnswer } from './fixture.ts';
import { CANARY, STOPPING, statusWith } from './status.ts';

/** Everything received until the server ends the connection. */
function whatIsSaidTo(socket: Socket): Promise<string> {
  socket.once('end', () => socket.end());
  return received(socket);
}

const OK = { status: 200, type: 'text/plain', body: 'ok' };

test('the endpoint reports whether the supervisor is alive and ready, or why it is not ready', async (t) => {
  const { path, source } = await serveAdmin(t);
  const healthy = await get(t, path, '/healthz');
  assert.deepEqual([healthy.status, healthy.body], [200, 'ok\n']);
  const ready = await get(t, path, '/readyz');
  assert.deepEqual([ready.status, ready.body], [200, 'ready\n']);
  source.now = statusWith({ mode: 'stopping', service: STOPPING });
  const stopping = await get(t, path, '/readyz');
  assert.deepEqual([stopping.status, stopping.body], [503, 'zero is stopping\n']);
  assert.equal((await get(t, path, '/healthz')).status, 200);
});

test('the status equals the document of the control socket', async (t) => {
  const { path, source } = await serveAdmin(t);
  source.now = CANARY;
  const { status, headers, body } = await get(t, path, '/status?pretty=1');
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'application/json');
  assert.deepEqual(JSON.parse(body), CANARY);
});

test('every response has headers that forbid caching, sniffing and cross-origin use', async (t) => {
  const { path } = await serveAdmin(t);
  for (const target of ['/', '/healthz', '/status', '/metrics', '/nothing']) {
    const { headers } = await get(t, path, target);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', target);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.equal(headers.get('connection'), 'close');
    assert.equal(headers.has('access-control-allow-origin'), false);
  }
});

test('the dashboard shows the state, and its policy allows only its own scripts', async (t) => {
  const { path, source } = await serveAdmin(t);
  source.now = CANARY;
  const { headers, body } = await get(t, path, '/');
  assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
  for (const shown of ['example', '80 %', '20 %', 'canary 20 %', '/bin/app2', '127.0.0.1:80', '1 d 2 h']) {
    assert.ok(body.includes(shown), shown);
  }
  const policy = headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none'; /);
  for (const tag of ['style', 'script']) {
    const [, text = ''] = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(body) ?? [];
    const hash = createHash('sha256').update(text).digest('base64');
    assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), tag);
  }
  assert.doesNotMatch(body, /(?:src|href)=|url\(|https?:/);
});

test('the dashboard shows names and paths as text', async (t) => {
  const { path, source } = await serveAdmin(t);
  const evil = `<script>alert('x')</script>&"`;
  const { generations } = statusWith();
  source.now = statusWith({
    name: evil,
    generations: generations.map((one) => ({ ...one, release: { path: evil, directory: evil } })),
    listeners: [{ name: evil, address: evil, steered: false, queue: null, lanes: 0 }],
  });
  const { body } = await get(t, path, '/');
  assert.equal(body.match(/<script>/g)?.length, 1);
  assert.equal(body.split('&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;').length - 1, 5);
});

test('the server accepts only GET and HEAD, with or without a body', async (t) => {
  const { path } = await serveAdmin(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
    const { status, headers } = await get(t, path, '/healthz', method);
    assert.equal(status, 405, method);
    assert.equal(headers.get('allow'), 'GET, HEAD');
  }
  const body = 'x'.repeat(50_000);
  const posted = await talk(
    t,
    path,
    `POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  assert.equal(parse(posted).status, 405);
  const head = await get(t, path, '/metrics', 'HEAD');
  assert.deepEqual([head.status, head.body], [200, '']);
  assert.ok(Number(head.headers.get('content-length')) > 1000);
});

test('other paths return 404', async (t) => {
  const { path } = await serveAdmin(t);
  for (const target of ['/x', '/metrics/', '//metrics', '/../status', '*', 'http://evil.example/status']) {
    assert.equal((await get(t, path, target)).status, 404, target);
  }
});

test('a page with a rebound DNS name cannot read the status', async (t) => {
  const { path } = await serveAdmin(t, 'localhost');
  assert.equal((await get(t, path, '/status', 'GET', '127.0.0.1:9640')).status, 200);
  for (const target of ['/', '/healthz', '/readyz', '/status', '/metrics']) {
    const { status, body } = await get(t, path, target, 'GET', 'evil.example');
    assert.equal(status, 403, target);
    assert.equal(body, 'evil.example is not a name of this machine. Use localhost\n');
  }
  const rude = await talk(t, path, 'GET /status HTTP/1.1\r\n\r\n');
  assert.deepEqual([parse(rude).status, parse(rude).body], [400, 'the header Host is missing\n']);
});

test('invalid or oversized HTTP is refused', async (t) => {
  const { path, warnings } = await serveAdmin(t);
  assert.equal(parse(await talk(t, path, 'hello\r\n\r\n')).status, 400);
  assert.equal(parse(await talk(t, path, Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]))).status, 400);
  const long = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`;
  assert.equal(parse(await talk(t, path, long)).status, 431);
  assert.equal((await get(t, path, '/healthz')).status, 200);
  assert.deepEqual(warnings, []);
});

test('a client that sends nothing, or does not read its response, is disconnected', async (t) => {
  const timers = new ManualTimers();
  const { path } = await serveAnswer(t, { answer: async () => OK, timers });
  const said = whatIsSaidTo(await connect(t, path));
  await timers.reached(1);
  timers.fireAll();
  assert.equal(parse(await said).status, 408);
  const large = { ...OK, body: 'x'.repeat(5_000_000) };
  const more = new ManualTimers();
  const second = await serveAnswer(t, { answer: async () => large, timers: more });
  const deaf = await connect(t, second.path);
  deaf.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const taken = whatIsSaidTo(deaf);
  deaf.pause();
  await more.reached(2);
  more.fireAll();
  deaf.resume();
  assert.ok((await taken).length < large.body.length);
  assert.equal(more.pending().length, 0);
});

test('at the connection limit the oldest client without a request is disconnected', async (t) => {
  const timers = new ManualTimers();
  const limits = { connections: 2, patience: 1000 };
  const { path } = await serveAnswer(t, { answer: async () => OK, timers, limits });
  const first = whatIsSaidTo(await connect(t, path));
  await timers.reached(1);
  await connect(t, path);
  await timers.reached(2);
  assert.equal((await get(t, path, '/')).status, 200);
  assert.equal(parse(await first).status, 503);
});

test('a failed reading returns an error, and is logged once', async (t) => {
  const { path, source, warnings } = await serveAdmin(t);
  source.failure = new Error('the kernel does not tell');
  for (let count = 0; count < 2; count += 1) assert.equal((await get(t, path, '/metrics')).status, 500);
  assert.deepEqual(warnings, ['admin request /metrics: the kernel does not tell']);
  source.failure = null;
  assert.equal((await get(t, path, '/metrics')).status, 200);
});
