import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startLoad } from '../../support/load.ts';
import { temporaryFolder } from '../../support/temporary.ts';

/** Listens until the end of the test. Returns an address for parseTarget. */
async function serve(t: TestContext, server: Server, path?: string): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(path ?? { host: '127.0.0.1', port: 0 }, resolve));
  return path ?? `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that runs this on each connection after the request has arrived. */
const onRequest = (act: (socket: Socket) => void) =>
  createServer((socket) => socket.once('data', () => act(socket)));

const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n';

/** Runs after another poll of the event loop: data in a loopback socket has been read then. */
const afterPoll = (then: () => void) => setImmediate(() => setImmediate(() => setImmediate(then)));

const FAILURES: readonly [string, (socket: Socket) => void][] = [
  ['reset_before_byte', (socket) => socket.resetAndDestroy()],
  [
    'reset_mid_response',
    (socket) => socket.write(`${HELLO}he`, () => afterPoll(() => socket.resetAndDestroy())),
  ],
  ['eof_before_response', (socket) => socket.end()],
  ['eof_mid_response', (socket) => socket.end(`${HELLO}he`)],
  ['bad_response', (socket) => socket.end('what?\r\n\r\n')],
  ['status_503', (socket) => socket.end('HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n')],
  ['timed_out', () => undefined],
];

for (const [name, act] of FAILURES) {
  test(`${name} is reported`, async (t) => {
    const target = await serve(t, onRequest(act));
    const result = await startLoad(t, {
      target,
      clients: 2,
      count: 4,
      requestTimeout: name === 'timed_out' ? 30 : 5000,
    }).finished;
    assert.deepEqual(result.failures, { [name]: 4 });
    assert.deepEqual([result.sent, result.answered, result.failed], [4, 0, 4]);
  });
}

test('a refused connection is reported, over TCP and over an unused Unix path', async (t) => {
  const server = createServer();
  const target = await serve(t, server);
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual((await startLoad(t, { target, clients: 1, count: 3 }).finished).failures, { refused: 3 });
  const path = join(temporaryFolder(t), 'nobody');
  const missing = await startLoad(t, { target: path, clients: 1, count: 3 }).finished;
  assert.deepEqual(missing.failures, { connect_ENOENT: 3 });
});

for (const kind of ['tcp', 'unix'] as const) {
  for (const connections of ['short', 'keep-alive'] as const) {
    test(`${kind}, ${connections}: all are answered, each id once`, async (t) => {
      const ids: string[] = [];
      let opened = 0;
      const server = createHttpServer((request, response) => {
        ids.push(new URL(request.url ?? '', 'http://x').searchParams.get('id') ?? '');
        response.end(JSON.stringify({ generation: 7 }));
      });
      server.on('connection', () => {
        opened += 1;
      });
      const path = kind === 'unix' ? join(temporaryFolder(t), 's') : undefined;
      const target = await serve(t, server, path);
      const result = await startLoad(t, {
        target,
        connections,
        clients: 4,
        count: 200,
        think: { from: 0, to: 1 },
      }).finished;
      assert.deepEqual([result.sent, result.answered, result.failures], [200, 200, {}]);
      assert.deepEqual(result.byGeneration, { 7: 200 });
      assert.deepEqual([...result.answeredIds].sort(), ids.sort());
      assert.equal(new Set(ids).size, 200);
      assert.equal(result.latencies.length, 200);
      assert.equal(opened, connections === 'short' ? 200 : 4);
    });
  }
}

test('keep-alive: a connection with Connection: close is not used again, and no request is lost', async (t) => {
  let opened = 0;
  const server = createHttpServer((_, response) => response.setHeader('Connection', 'close').end('{}'));
  server.on('connection', () => {
    opened += 1;
  });
  const target = await serve(t, server);
  const result = await startLoad(t, { target, connections: 'keep-alive', clients: 2, count: 20 }).finished;
  assert.deepEqual([result.answered, result.failures, opened], [20, {}, 20]);
  assert.deepEqual(result.byGeneration, { unknown: 20 });
});

test('a request lost on a kept connection is a loss, and counts as reused', async (t) => {
  const server = createServer((socket) => {
    let seen = 0;
    socket.on('data', () => {
      seen += 1;
      if (seen === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
      else socket.end();
    });
  });
  const target = await serve(t, server);
  const result = await startLoad(t, { target, connections: 'keep-alive', clients: 1, count: 4 }).finished;
  assert.deepEqual(result.failures, { eof_before_response: 2 });
  assert.deepEqual(
    result.losses.map((loss) => loss.reused),
    [true, true],
  );
});

test('phases: each has enough answers, and stop completes requests in progress', async (t) => {
  const held: (() => void)[] = [];
  let holding = false;
  let report = (): void => undefined;
  const server = createHttpServer((_, response) => {
    if (!holding) return response.end('{}');
    held.push(() => response.end('{}'));
    return report();
  });
  const target = await serve(t, server);
  const load = startLoad(t, { target, clients: 3 });
  await load.whenPhaseHas(100);
  load.phase('second');
  await load.whenPhaseHas(100);
  load.phase('third');
  const allHeld = new Promise<void>((resolve) => {
    report = () => (held.length === 3 ? resolve() : undefined);
  });
  holding = true;
  await allHeld;
  const stopped = load.stop();
  for (const answer of held) answer();
  const result = await stopped;
  assert.deepEqual(
    result.phases.map((book) => book.phase),
    ['start', 'second', 'third'],
  );
  for (const book of result.phases.slice(0, 2)) assert.ok(book.answered >= 100);
  assert.ok((result.phases[2]?.answered ?? 0) >= 1);
  assert.equal(result.sent, result.answered);
});
