import assert from 'node:assert/strict';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { drain } from '../../../../src/service/drain/drain.ts';
import { CERTIFICATE } from '../../../support/certificate.ts';
import { askOnce, get, LIMIT, LONG, open, openTls, RawClient, SOON, serve } from './support.ts';

const httpsServer = () => {
  const server = createHttpsServer({ ...CERTIFICATE }, (_, response) => response.end('ok'));
  server.keepAliveTimeout = 0;
  // A client that disconnects during its handshake is not an error of the server.
  server.on('tlsClientError', () => undefined);
  return server;
};

for (const watched of [true, false]) {
  test(
    `https, ${watched ? 'watched' : 'never watched'}: busy connections get Connection: close, idle and silent ones are closed`,
    LIMIT,
    async (t) => {
      const server = httpsServer();
      const port = await serve(t, server, watched);
      const again = await openTls(t, server, port);
      const idle = await openTls(t, server, port);
      const silent = await openTls(t, server, port);
      await askOnce(again);
      await askOnce(idle);
      const report = drain(server, { ...LONG, idleMs: 300 });
      assert.match(await again.send(get()).until(/\[end\]/), /connection: close[\s\S]*ok\[end\]$/i);
      for (const client of [idle, silent]) assert.match(await client.until(/\[/), /\[end\]$/);
      for (const client of [again, idle, silent]) client.socket.end();
      const { connections, finished, closedIdle, toldToClose, raced, cut } = await report;
      assert.deepEqual([connections, finished, closedIdle, toldToClose, raced, cut], [3, 1, 2, 1, 0, 0]);
    },
  );
}

test(
  'a TLS handshake in progress when the drain begins is completed, and its request is answered',
  LIMIT,
  async (t) => {
    const server = httpsServer();
    const raw = await open(t, server, await serve(t, server));
    const report = drain(server, LONG);
    raw.socket.removeAllListeners('data');
    const client = new RawClient(t, connectTls({ socket: raw.socket, rejectUnauthorized: false }));
    assert.match(await client.send(get()).until(/\[end\]/), /connection: close[\s\S]*ok\[end\]$/i);
    client.socket.end();
    const { finished, toldToClose } = await report;
    assert.deepEqual([finished, toldToClose], [1, 1]);
  },
);

test('a request that crosses the close of an idle TLS connection is counted', LIMIT, async (t) => {
  const server = httpsServer();
  const client = await openTls(t, server, await serve(t, server), { allowHalfOpen: true } as object);
  await askOnce(client);
  const report = drain(server, SOON);
  await client.until(/\[end\]/);
  client.send(get());
  client.socket.end();
  const { closedIdle, raced } = await report;
  assert.deepEqual([closedIdle, raced], [1, 1]);
});

test(
  'tls and net: busy connections continue and are cut off at the deadline, silent ones are closed before',
  LIMIT,
  async (t) => {
    for (const secure of [true, false]) {
      const talk = (socket: Socket) => socket.on('error', () => undefined).pipe(socket);
      const server = secure ? createTlsServer({ ...CERTIFICATE }, talk) : createServer(talk);
      const port = await serve(t, server);
      const connect = secure ? openTls : open;
      const [busy, quiet, leaving] = [
        await connect(t, server, port),
        await connect(t, server, port),
        await connect(t, server, port),
      ];
      for (const client of [busy, quiet, leaving]) await client.send('hello').until(/hello/);
      const report = drain(server, { timeoutMs: 400, idleMs: 200 });
      leaving.socket.end();
      // It is answered while it is open, and then immediately sends again.
      busy.socket.on('data', (chunk: Buffer) => busy.socket.write(chunk));
      busy.send('!');
      assert.match(await quiet.until(/\[/), /\[end\]$/);
      await busy.until(/\[/);
      const { connections, finished, closedIdle, cut, outcome } = await report;
      assert.deepEqual([connections, finished, closedIdle, cut, outcome], [3, 1, 1, 1, 'timed out']);
    }
  },
);

test('the drain waits for a half-open connection whose client still listens', LIMIT, async (t) => {
  let answer = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let release = (): void => undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on('end', () => {
      answer();
      release = () => socket.end('the answer');
    });
  });
  const client = await open(t, server, await serve(t, server));
  client.socket.end('a question');
  await asked;
  const report = drain(server, LONG);
  release();
  assert.match(await client.until(/\[end\]/), /the answer\[end\]$/);
  const { finished, cut } = await report;
  assert.deepEqual([finished, cut], [1, 0]);
});
