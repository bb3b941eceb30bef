import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BODY_LIMIT } from '../../../src/control/protocol.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { connect, parseAnswer, received, request, type Served, serve, talk } from './fixture.ts';

const codeOf = (body: unknown): unknown => (body as { error: { code: unknown } }).error.code;

async function stillAnswers(t: TestContext, { path, warnings }: Served): Promise<void> {
  assert.equal((await request(t, path, 'GET /v1/status')).status, 200);
  assert.deepEqual(warnings, []);
}

const WRONG: readonly [
  name: string,
  line: string,
  body: string,
  headers: string[],
  status: number,
  code: string,
][] = [
  ['an unknown path', 'GET /v1/nothing', '', [], 404, 'not_found'],
  ['another version', 'GET /v2/status', '', [], 404, 'not_found'],
  ['no path', 'GET *', '', [], 404, 'not_found'],
  ['a wrong method', 'GET /v1/reload', '', [], 405, 'method_not_allowed'],
  ['another wrong method', 'DELETE /v1/status', '', [], 405, 'method_not_allowed'],
  [
    'a form',
    'POST /v1/reload',
    'preview=true',
    ['Content-Type: application/x-www-form-urlencoded'],
    415,
    'unsupported_media_type',
  ],
  ['a body without a content type', 'POST /v1/reload', '{}', [], 415, 'unsupported_media_type'],
  ['invalid JSON', 'POST /v1/reload', '{"preview":', ['Content-Type: application/json'], 400, 'bad_request'],
  ['a list', 'POST /v1/reload', '[]', ['Content-Type: application/json'], 400, 'bad_request'],
  ['null', 'POST /v1/reload', 'null', ['Content-Type: application/json'], 400, 'bad_request'],
  [
    'a body that is too large',
    'POST /v1/reload',
    ' '.repeat(BODY_LIMIT + 1),
    ['Content-Type: application/json'],
    413,
    'body_too_large',
  ],
];

for (const [name, line, body, headers, status, code] of WRONG) {
  test(`refused: ${name}`, async (t) => {
    const served = await serve(t);
    const answer = await request(t, served.path, line, body, headers);
    assert.equal(answer.status, status);
    assert.equal(codeOf(answer.body), code);
    assert.deepEqual(served.control.calls, []);
    await stillAnswers(t, served);
  });
}

test('an invalid field is reported by name', async (t) => {
  const { path } = await serve(t);
  const errorOf = async (body: string) => (await request(t, path, 'POST /v1/reload', body)).body;
  assert.deepEqual(await errorOf('{"preview":"yes"}'), {
    error: { code: 'bad_request', message: 'preview: must be a boolean', field: 'preview' },
  });
  assert.deepEqual(await errorOf('{"timeout_ms":0}'), {
    error: { code: 'bad_request', message: 'timeout_ms: must be more than 0', field: 'timeout_ms' },
  });
  assert.deepEqual(await errorOf('{"prewiev":true}'), {
    error: { code: 'bad_request', message: 'prewiev: unknown field', field: 'prewiev' },
  });
});

test('a body of unknown length is cut off at the limit', async (t) => {
  const served = await serve(t);
  const chunk = `${(32768).toString(16)}\r\n${' '.repeat(32768)}\r\n`;
  const head =
    'POST /v1/reload HTTP/1.1\r\nHost: zero\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
  const answer = parseAnswer(await talk(t, served.path, head + chunk.repeat(3)));
  assert.equal(answer.status, 413);
  await stillAnswers(t, served);
});

const GARBAGE: readonly [name: string, bytes: string | Buffer, status: number][] = [
  ['bytes', Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7 + 1) & 255)), 400],
  ['TLS', Buffer.from('16030100c8010000c40303', 'hex'), 400],
  ['another protocol', 'EHLO zero\r\n\r\n', 400],
  ['two lengths', 'POST /v1/stop HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400],
  [
    'a length and chunks',
    'POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['headers without end', `GET /v1/status HTTP/1.1\r\nX: ${'y'.repeat(20_000)}`, 431],
];

for (const [name, bytes, status] of GARBAGE) {
  test(`garbage: ${name}`, async (t) => {
    const served = await serve(t);
    assert.equal(parseAnswer(await talk(t, served.path, bytes)).status, status);
    assert.deepEqual(served.control.calls, []);
    await stillAnswers(t, served);
  });
}

test('CONNECT and Upgrade open no tunnel', async (t) => {
  const served = await serve(t);
  assert.equal(await talk(t, served.path, 'CONNECT /v1/status HTTP/1.1\r\nHost: x\r\n\r\n'), '');
  const upgrade = 'GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  assert.equal(parseAnswer(await talk(t, served.path, upgrade)).status, 200);
  await stillAnswers(t, served);
});

test('a second request on a connection is ignored', async (t) => {
  const served = await serve(t);
  const one = 'POST /v1/promote HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
  await talk(t, served.path, one.repeat(3));
  assert.deepEqual(served.control.calls, ['promote']);
  await stillAnswers(t, served);
});

test('a client that sends nothing, or half a request, is disconnected at its deadline', async (t) => {
  const timers = new ManualTimers();
  const served = await serve(t, { timers });
  const silent = await connect(t, served.path);
  const half = await connect(t, served.path);
  const body = await connect(t, served.path);
  half.write('GET /v1/sta');
  body.write('POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
  const answers = [silent, half, body].map(received);
  for (const socket of [silent, half, body]) socket.once('end', () => socket.end());
  await timers.reached(3);
  // A single byte from time to time does not extend the deadline.
  half.write('t');
  timers.fireAll();
  for (const answer of await Promise.all(answers)) {
    assert.equal(parseAnswer(answer).status, 408);
  }
  assert.deepEqual(served.control.calls, []);
  await stillAnswers(t, served);
});

test('a client that waits for a verdict has no deadline, one that does not read its response has one', async (t) => {
  const timers = new ManualTimers();
  const { path, control } = await serve(t, { timers });
  const socket = await connect(t, path);
  socket.write('POST /v1/reload HTTP/1.1\r\nHost: zero\r\n\r\n');
  await control.until(() => control.reloads.length === 1);
  assert.equal(timers.pending().length, 0);
});

test('a slow reader misses progress, and uses no more memory', async (t) => {
  const { path, control } = await serve(t);
  const socket = await connect(t, path);
  socket.pause();
  socket.write('POST /v1/reload HTTP/1.1\r\nHost: zero\r\n\r\n');
  await control.until(() => control.reloads.length === 1);
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  const message = 'x'.repeat(10_000);
  for (let index = 0; index < 5000; index++) control.report({ event: 'warning', about: 'test', message });
  const after = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  assert.ok(after - before < 30e6, `${after - before} bytes`);
  const answer = received(socket);
  control.reloads[0]?.verdict({
    outcome: 'failed',
    handover: null,
    generation: null,
    incumbent: null,
    label: null,
    down: null,
    duration: 1,
    failure: null,
  });
  socket.once('end', () => socket.end());
  socket.resume();
  assert.match(await answer, /"verdict":\{"version":1,"outcome":"failed"/);
});

test('a thousand silent clients do not block others', async (t) => {
  const timers = new ManualTimers();
  const served = await serve(t, { timers });
  const sockets: Socket[] = [];
  const closed: Promise<string>[] = [];
  for (let index = 0; index < 1000; index++) {
    const socket = await connect(t, served.path);
    socket.once('end', () => socket.end());
    sockets.push(socket);
    closed.push(received(socket));
  }
  await timers.reached(1000);
  const answers = await Promise.all(closed.slice(0, 1000 - 64));
  for (const answer of answers) assert.equal(parseAnswer(answer).status, 503);
  assert.equal(timers.pending().length, 64);
  await stillAnswers(t, served);
  assert.deepEqual(
    sockets.slice(1000 - 63).filter(({ destroyed }) => destroyed),
    [],
  );
});

test('a further request is refused while every connection is busy', async (t) => {
  const served = await serve(t, { limits: { connections: 2, patience: 10_000 } });
  const { path, control } = served;
  for (const count of [1, 2]) {
    const socket = await connect(t, path);
    socket.write('POST /v1/reload HTTP/1.1\r\nHost: zero\r\n\r\n');
    await control.until(() => control.reloads.length === count);
  }
  const { status, body } = await request(t, path, 'GET /v1/status');
  assert.equal(status, 503);
  assert.equal(codeOf(body), 'overloaded');
  for (const { verdict } of control.reloads) {
    verdict({
      outcome: 'aborted',
      handover: null,
      generation: null,
      incumbent: null,
      label: null,
      down: null,
      duration: 1,
      failure: null,
    });
  }
});

test('followers leave connections free for commands', async (t) => {
  const served = await serve(t);
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      const socket = await connect(t, served.path);
      socket.write('GET /v1/events HTTP/1.1\r\nHost: zero\r\n\r\n');
      await once(socket, 'data');
    }),
  );
  const refused = await request(t, served.path, 'GET /v1/logs');
  assert.deepEqual([refused.status, codeOf(refused.body)], [503, 'overloaded']);
  await stillAnswers(t, served);
});
