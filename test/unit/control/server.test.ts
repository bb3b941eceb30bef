import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { unrefTimers } from '../../../src/common/clock.ts';
import { handlersOf } from '../../../src/control/handlers.ts';
import { answer } from '../../../src/control/router.ts';
import { createControlServer } from '../../../src/control/server.ts';
import { ControlError } from '../../../src/control/socket-file.ts';
import type { StatusDocument } from '../../../src/control/status-document.ts';
import { Followers } from '../../../src/http/follower.ts';
import { lookupGroup } from '../../../src/linux/users.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { FakeControl, FakeViews, PROMOTED, STATUS } from './fake-control.ts';
import { connect, IDENTITY, parseAnswer, received, request, serve, talk } from './fixture.ts';

test('status returns the document, and closes the connection', async (t) => {
  const { path } = await serve(t);
  const { status, headers, body } = await request(t, path, 'GET /v1/status');
  assert.equal(status, 200);
  assert.match(headers, /connection: close/i);
  assert.match(headers, /content-type: application\/json/i);
  assert.deepEqual(body, STATUS);
});

test('connections are counted on request', async (t) => {
  const { path } = await serve(t);
  const { body } = await request(t, path, 'GET /v1/status?connections=true');
  const [generation] = STATUS.generations;
  assert.deepEqual(body, { ...STATUS, generations: [{ ...generation, connections: 17 }] });
});

test('CPU time and memory are read together with connections', async (t) => {
  const { path, views } = await serve(t);
  const of = (generation: number, worker: number, cpuShare: number) => ({
    generation,
    worker,
    cpuSeconds: 1.2345,
    residentBytes: 1000,
    cpuShare,
    intervalMs: 1000.4,
  });
  views.used = [of(3, 0, 0.0512), of(2, 0, 1)];
  const { body } = await request(t, path, 'GET /v1/status?connections=true');
  const { generations, usage } = body as StatusDocument;
  assert.deepEqual(generations[0]?.workers[0]?.usage, {
    cpu_percent: 5.1,
    cpu_seconds: 1.23,
    memory_bytes: 1000,
    interval_ms: 1000,
  });
  assert.deepEqual(usage, { cpu_percent: 105.1, cpu_seconds: 2.47, memory_bytes: 2000, interval_ms: 1000 });
});

const FIELDS: readonly [name: string, line: string, body: string, problem: RegExp][] = [
  ['an unknown field', 'GET /v1/status?x=1', '', /^x: unknown field$/],
  ['a duplicate field', 'GET /v1/logs?lines=1&lines=2', '', /^lines: duplicate field$/],
  ['a field of another type', 'GET /v1/logs?lines=ten', '', /^lines: must be a number$/],
  ['a value below its minimum', 'GET /v1/logs?lines=-1', '', /^lines: must be at least 0$/],
  ['fields of a GET in its body', 'GET /v1/logs', '{"lines":1}', /^the fields of a GET are in its query$/],
  ['fields of a POST in its query', 'POST /v1/stop?now=true', '', /^the fields of a POST are in its body$/],
];

for (const [name, line, text, problem] of FIELDS) {
  test(`an invalid field is refused: ${name}`, async (t) => {
    const { path, control } = await serve(t);
    const { status, body } = await request(t, path, line, text);
    assert.equal(status, 400);
    assert.match((body as { error: { message: string } }).error.message, problem);
    assert.deepEqual(control.calls, []);
  });
}

test('a signal is accepted by each of its names', async (t) => {
  const { path, control } = await serve(t);
  for (const name of ['SIGUSR1', 'usr1', '10', 'SIGRTMIN+1', '35']) {
    const { status } = await request(t, path, 'POST /v1/signal', JSON.stringify({ signal: name }));
    assert.equal(status, 200, name);
  }
  assert.deepEqual(control.calls, [
    ...Array.from({ length: 3 }, () => 'signal SIGUSR1'),
    ...Array.from({ length: 2 }, () => 'signal SIGRTMIN+1'),
  ]);
  for (const name of ['SIGNOTHING', '0', '32', '65', '-9', '']) {
    const { status, body } = await request(t, path, 'POST /v1/signal', JSON.stringify({ signal: name }));
    assert.equal(status, 400, name);
    assert.equal((body as { error: { field: string } }).error.field, 'signal');
  }
});

test('promote and abort return an empty document, or 409 and the reason', async (t) => {
  const { path, control } = await serve(t);
  assert.deepEqual((await request(t, path, 'POST /v1/promote')).body, {});
  assert.deepEqual((await request(t, path, 'POST /v1/abort')).body, {});
  assert.deepEqual(control.calls, ['promote', 'abort']);
  control.answer = { ok: false, message: 'there is nothing to promote' };
  const { status, body } = await request(t, path, 'POST /v1/promote');
  assert.equal(status, 409);
  assert.deepEqual(body, { error: { code: 'wrong_state', message: 'there is nothing to promote' } });
});

const lines = (text: string): unknown[] =>
  text
    .split('\r\n\r\n')
    .slice(1)
    .join('\r\n\r\n')
    .split('\r\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((chunk) => chunk.trim().split('\n'))
    .map((line) => JSON.parse(line));

test('reload reports progress and ends with the verdict', async (t) => {
  const { path, control } = await serve(t);
  control.onReload = () =>
    control.report({ event: 'reload_requested', by: 'control', merged: false, handover: 2 });
  const socket = await connect(t, path);
  const answer = received(socket);
  const body = JSON.stringify({ preview: true, timeout_ms: 5000 });
  socket.write(
    `POST /v1/reload HTTP/1.1\r\nHost: zero\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  socket.once('end', () => socket.end());
  await control.until(() => control.reloads.length === 1);
  control.report({ event: 'worker_ready', generation: 4, worker: 0, after: 12.3456789 });
  control.reloads[0]?.verdict(PROMOTED);
  control.report({ event: 'generation_retiring', generation: 3 });
  assert.deepEqual(lines(await answer), [
    { accepted: { ticket: 't1', handover: 2 } },
    { fact: { event: 'reload_requested', by: 'control', merged: false, handover: 2 } },
    { fact: { event: 'worker_ready', generation: 4, worker: 0, after_ms: 12.346 } },
    {
      verdict: {
        version: 1,
        outcome: 'promoted',
        handover: 2,
        generation: 4,
        incumbent: 4,
        down: null,
        duration_ms: 1500,
        failure: null,
      },
    },
  ]);
  assert.deepEqual(control.reloads[0]?.options, {
    preview: true,
    replace: false,
    timeoutMs: 5000,
    wait: true,
    label: null,
  });
  await control.until(() => control.listeners === 0);
});

test('an immediate verdict follows "accepted"', async (t) => {
  const { path, control } = await serve(t);
  control.onReload = () => control.reloads[0]?.verdict(PROMOTED);
  const head = 'POST /v1/reload HTTP/1.1\r\nHost: zero\r\n\r\n';
  const [first, second] = lines(await talk(t, path, head));
  assert.deepEqual(first, { accepted: { ticket: 't1', handover: 2 } });
  assert.ok(typeof second === 'object' && second !== null && 'verdict' in second);
});

test('a reload without a waiting client is answered immediately', async (t) => {
  const { path, control } = await serve(t);
  const body = '{"wait":false}';
  const head = `POST /v1/reload HTTP/1.1\r\nHost: zero\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.deepEqual(lines(await talk(t, path, head)), [{ accepted: { ticket: 't1', handover: 2 } }]);
  assert.equal(control.listeners, 0);
  control.reloads[0]?.verdict(PROMOTED);
});

test('a client that disconnects while it waits is removed, and the verdict is still handled', async (t) => {
  const { path, control } = await serve(t);
  const socket = await connect(t, path);
  socket.write('POST /v1/reload HTTP/1.1\r\nHost: zero\r\n\r\n');
  await control.until(() => control.reloads.length === 1);
  assert.equal(control.listeners, 1);
  socket.destroy();
  await control.until(() => control.listeners === 0);
  control.reloads[0]?.verdict(PROMOTED);
  assert.equal((await request(t, path, 'GET /v1/status')).status, 200);
});

test('stop reports its completion and closes the connection at the exit of the process', async (t) => {
  const { path, control, server } = await serve(t);
  const socket = await connect(t, path);
  const chunks: string[] = [];
  const isStopped = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      chunks.push(String(chunk));
      if (chunks.join('').includes('"stopped"')) resolve();
    });
  });
  socket.write(
    'POST /v1/stop HTTP/1.1\r\nHost: zero\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"now":true}',
  );
  await control.until(() => control.calls.length === 1);
  assert.deepEqual(control.calls, ['stop now']);
  control.report({ event: 'stop_requested', by: 'control', now: true });
  await server.close();
  await isStopped;
  assert.deepEqual(lines(chunks.join('')), [
    { accepted: { pid: process.pid } },
    { fact: { event: 'stop_requested', by: 'control', now: true } },
    { stopped: true },
  ]);
  assert.equal(socket.readableEnded, false);
  assert.equal(existsSync(path), false);
});

test('the socket has exactly the requested permissions and group', async (t) => {
  const before = process.umask(0);
  t.after(() => void process.umask(before));
  const { path } = await serve(t);
  assert.equal(statSync(path).mode & 0o7777, 0o600);
  const own = lookupGroup(String(process.getegid?.()));
  const shared = await serve(t, { mode: 0o660, group: own?.name ?? null });
  assert.equal(statSync(shared.path).mode & 0o7777, 0o660);
  assert.equal(statSync(shared.path).gid, process.getegid?.());
});

test('the file of an unused socket is replaced', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'control.sock');
  const other = net.createServer().listen(join(folder, 'other.sock'));
  await new Promise((resolve) => other.once('listening', resolve));
  const { linkSync } = await import('node:fs');
  linkSync(join(folder, 'other.sock'), path);
  await new Promise((resolve) => other.close(resolve));
  const { server } = await serve(t, { path });
  assert.equal((await request(t, path, 'GET /v1/status')).status, 200);
  await server.close();
});

const refusedPath = async (path: string, group: string | null = null): Promise<string> => {
  const failed = createControlServer({
    path,
    mode: 0o600,
    group,
    control: new FakeControl(),
    views: new FakeViews(),
    identity: IDENTITY,
    warn: () => {},
  });
  const error = await failed.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ControlError, String(error));
  return error.message;
};

test('a socket that cannot be opened is refused with the reason, and no file is removed', async (t) => {
  const { path, folder } = await serve(t);
  assert.match(await refusedPath(path), /another process listens there/);
  assert.equal((await request(t, path, 'GET /v1/status')).status, 200);
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  assert.match(await refusedPath(file), /not a socket/);
  assert.match(
    await refusedPath(join(folder, 'none', 'control.sock')),
    /ENOENT: its directory does not exist/,
  );
  assert.match(await refusedPath(join(folder, 'x'.repeat(120))), /longer than 107 bytes/);
  assert.match(
    await refusedPath(join(folder, 'g.sock'), 'no-such-group'),
    /group no-such-group does not exist/,
  );
  assert.equal(existsSync(join(folder, 'g.sock')), false);
});

test('close keeps the file of another server that listens there now', async (t) => {
  const first = await serve(t);
  const { rmSync } = await import('node:fs');
  rmSync(first.path);
  const second = await serve(t, { path: first.path });
  await first.server.close();
  assert.equal((await request(t, second.path, 'GET /v1/status')).status, 200);
});

test('a failed operation returns 500, and the supervisor continues', async (t) => {
  const { path, control, warnings } = await serve(t);
  control.broken = true;
  const { status, body } = await request(t, path, 'GET /v1/status');
  assert.equal(status, 500);
  assert.deepEqual(parseAnswer(`HTTP/1.1 500 x\r\n\r\n${JSON.stringify(body)}`).status, 500);
  assert.deepEqual(warnings, ['control request GET /v1/status: status is broken']);
  control.broken = false;
  assert.equal((await request(t, path, 'GET /v1/status')).status, 200);
});

test('a request is not performed if its connection was closed for an upgrade before it was read', async (t) => {
  const control = new FakeControl();
  const handlers = handlersOf({
    control,
    views: new FakeViews(),
    farewells: new Set(),
    followers: new Followers(1, unrefTimers),
  });
  const router = {
    handlers,
    identity: IDENTITY,
    refused: null,
    member: () => null,
    attempted: () => {},
    received: () => {},
    warn: () => {},
  };
  const path = join(temporaryFolder(t), 'control.sock');
  let isClosed = true;
  const done: Promise<void>[] = [];
  const server = createServer((incoming, response) => {
    response.setHeader('Connection', 'close');
    if (isClosed) incoming.socket.destroySoon();
    done.push(answer(incoming, response, router));
  });
  t.after(() => void server.close());
  await once(server.listen(path), 'listening');
  const send = () => request(t, path, 'POST /v1/abort', '{}').catch(() => null);
  await send();
  await Promise.all(done);
  assert.deepEqual(control.calls, []);
  isClosed = false;
  await send();
  assert.deepEqual(control.calls, ['abort']);
});
