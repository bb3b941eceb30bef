import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { drain } from '../../../../src/service/drain/drain.ts';
import type { Scope } from '../../../support/temporary.ts';
import { askOnce, get, headsIn, LIMIT, LONG, open, type RawClient, SOON, serve } from './support.ts';

const UPGRADE = [
  'GET /socket HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  '\r\n',
].join('\r\n');

const ACCEPT = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';

/** A masked close frame of a client with code 1012 (RFC 6455, 5.2), and a server's. */
const CLIENT_CLOSE = '\x88\x82\0\0\0\0\x03\xf4';
const SERVER_CLOSE = '\x88\x11\x03\xf4service restart';

/** A custom library that writes frames in pieces over several turns, and ends the connection on any answer. */
function handMadeServer() {
  const server = createServer((_, response) => response.end('ok'));
  server.keepAliveTimeout = 0;
  const streams: Duplex[] = [];
  server.on('upgrade', (_request, stream) => {
    streams.push(stream);
    stream.once('data', () => stream.end());
  });
  const upgraded = async (scope: Scope, client: RawClient, accept = true): Promise<Duplex> => {
    const arrived = once(server, 'upgrade');
    client.send(UPGRADE);
    await arrived;
    const stream = streams.at(-1);
    assert.ok(stream !== undefined);
    scope.after(() => {
      stream.destroy();
    });
    if (accept) stream.write(ACCEPT);
    return stream;
  };
  return { server, upgraded };
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test(
  'a WebSocket of any library gets close code 1012 between two frames, never within one',
  LIMIT,
  async (t) => {
    const { server, upgraded } = handMadeServer();
    const client = await open(t, server, await serve(t, server));
    const stream = await upgraded(t, client);
    // A text frame of ten bytes in three pieces. The drain begins in its middle.
    stream.write(Buffer.from([0x81]));
    const report = drain(server, LONG);
    await turns(5);
    stream.write(Buffer.from([10]));
    stream.write('01234');
    await turns(5);
    stream.write('56789');
    assert.ok((await client.until(/restart/)).endsWith(`\x81\x0a0123456789${SERVER_CLOSE}`));
    client.send(CLIENT_CLOSE).socket.end();
    const { finished, toldToClose, cut } = await report;
    assert.deepEqual([finished, toldToClose, cut], [1, 1, 0]);
  },
);

test(
  'a WebSocket accepted during the drain is closed immediately; one that the service has closed is left unchanged',
  LIMIT,
  async (t) => {
    const { server, upgraded } = handMadeServer();
    const port = await serve(t, server);
    const [late, closing] = [await open(t, server, port), await open(t, server, port)];
    const stream = await upgraded(t, late, false);
    const closed = await upgraded(t, closing);
    closed.write(Buffer.from([0x88, 2, 0x03, 0xe8]));
    const report = drain(server, LONG);
    await turns(5);
    assert.equal(late.text, '');
    stream.write(ACCEPT);
    assert.ok((await late.until(/restart/)).endsWith(ACCEPT + SERVER_CLOSE));
    for (const client of [late, closing]) client.send(CLIENT_CLOSE).socket.end();
    const { finished, toldToClose } = await report;
    assert.deepEqual([finished, toldToClose], [2, 1]);
    assert.ok(closing.text.endsWith('\x88\x02\x03\xe8[end]'));
  },
);

test(
  'a WebSocket whose client does not answer is cut off at the deadline, another protocol is closed when it is silent',
  LIMIT,
  async (t) => {
    const { server, upgraded } = handMadeServer();
    const port = await serve(t, server);
    const [deaf, other] = [await open(t, server, port), await open(t, server, port)];
    await upgraded(t, deaf);
    const arrived = once(server, 'upgrade');
    other.send('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await arrived;
    const { closedIdle, cut, outcome, toldToClose } = await drain(server, { timeoutMs: 300, idleMs: 100 });
    assert.deepEqual([closedIdle, cut, outcome, toldToClose], [1, 1, 'timed out', 1]);
    await other.until(/\[end\]/);
    assert.ok(!other.text.includes('restart'));
  },
);

test(
  'ws closes connections itself: compressed messages are sent first, and both sides receive 1012',
  LIMIT,
  async (t) => {
    const server = createServer();
    const sockets = new WebSocketServer({ server, perMessageDeflate: { threshold: 0 } });
    t.after(() => sockets.close());
    const port = await serve(t, server);
    const accepted = once(sockets, 'connection');
    const client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: true });
    t.after(() => client.terminate());
    const messages: string[] = [];
    client.on('message', (data) => messages.push(String(data)));
    const clientClosed = once(client, 'close');
    const [serverSide] = (await accepted) as [WebSocket];
    const serverClosed = once(serverSide, 'close');
    await once(client, 'open');
    const long = 'x'.repeat(200_000);
    for (let message = 0; message < 5; message += 1) serverSide.send(`${message} ${long}`);
    const report = drain(server, LONG);
    assert.deepEqual(await clientClosed, [1012, Buffer.from('service restart')]);
    assert.deepEqual((await serverClosed)[0], 1012);
    assert.deepEqual(
      messages.map((text) => text.slice(0, 2)),
      ['0 ', '1 ', '2 ', '3 ', '4 '],
    );
    const { finished, toldToClose, cut } = await report;
    assert.deepEqual([finished, toldToClose, cut], [1, 1, 0]);
  },
);

test('a watched server without an upgrade listener responds like any other', LIMIT, async (t) => {
  const server = createServer((_, response) => response.end('ok'));
  const client = await open(t, server, await serve(t, server));
  assert.equal(server.listenerCount('upgrade'), 0);
  assert.match(await client.send(UPGRADE).until(/ok$/), /^HTTP\/1\.1 200/);
  // Listeners that are added and removed before and after the server is watched.
  const listener = () => undefined;
  server.on('upgrade', listener);
  assert.equal(server.listenerCount('upgrade'), 2);
  server.removeListener('upgrade', listener);
  assert.equal(server.listenerCount('upgrade'), 0);
  server.once('upgrade', (_, stream) => stream.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const other = await open(t, server, client.socket.remotePort ?? 0);
  assert.match(await other.send(UPGRADE).until(/\[end\]/), /^HTTP\/1\.1 400/);
  assert.equal(server.listenerCount('upgrade'), 0);
  other.socket.end();
  const report = drain(server, SOON);
  await client.until(/\[end\]/);
  client.socket.end();
  assert.equal((await report).closedIdle, 1);
});

test('a refused upgrade is not a WebSocket', LIMIT, async (t) => {
  const { server, upgraded } = handMadeServer();
  const client = await open(t, server, await serve(t, server));
  const stream = await upgraded(t, client, false);
  const report = drain(server, LONG);
  stream.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
  assert.match(await client.until(/\[end\]/), /^HTTP\/1\.1 401[^\x88]*\[end\]$/);
  client.socket.end();
  assert.deepEqual((await report).toldToClose, 0);
});

test('a plain request next to WebSockets gets Connection: close as usual', LIMIT, async (t) => {
  const { server, upgraded } = handMadeServer();
  const port = await serve(t, server);
  const socket = await open(t, server, port);
  await upgraded(t, socket);
  const plain = await open(t, server, port);
  await askOnce(plain);
  const report = drain(server, LONG);
  assert.match(headsIn(await plain.send(get()).until(/\[end\]/))[1] ?? '', /connection: close/);
  await socket.until(/restart/);
  socket.send(CLIENT_CLOSE);
  for (const client of [plain, socket]) client.socket.end();
  assert.equal((await report).finished, 2);
});
