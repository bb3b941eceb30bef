import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect as connectNet, createServer as createNetServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { drain } from '../../../../src/service/drain/drain.ts';
import { CERTIFICATE } from '../../../support/certificate.ts';
import { seededRandom } from '../../../support/random.ts';
import type { Scope } from '../../../support/temporary.ts';
import { askOnce, get, LIMIT, LONG, openTls, serve } from './support.ts';

/** Responds `ok`, or holds the streams of `/held` for the test. */
function answering(server: Http2Server) {
  const events = new EventEmitter();
  const held: ServerHttp2Stream[] = [];
  server.on('stream', (stream, headers) => {
    if (headers[':path'] === '/held') {
      held.push(stream);
      events.emit('held');
      return;
    }
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  return {
    whenHeld: async (count = 1) => {
      while (held.length < count) await once(events, 'held');
    },
    release: () => {
      for (const stream of held.splice(0)) {
        stream.respond({ ':status': 200 });
        stream.end('ok');
      }
    },
  };
}

async function session(
  scope: Scope,
  server: Http2Server,
  url: string,
  sessionSource = server,
): Promise<ClientHttp2Session> {
  const begun = once(sessionSource, 'session');
  const client = connect(url, { rejectUnauthorized: false });
  scope.after(() => client.destroy());
  client.on('error', () => undefined);
  await begun;
  return client;
}

/** The body of the response. Rejects when the stream ends without one. */
async function ask(client: ClientHttp2Session, path = '/'): Promise<string> {
  const stream = client.request({ ':path': path });
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(stream, 'end');
  return text;
}

const KINDS = {
  cleartext: { make: () => createServer(), scheme: 'http' },
  secure: { make: () => createSecureServer({ ...CERTIFICATE, allowHTTP1: true }), scheme: 'https' },
} as const;

for (const [kind, { make, scheme }] of Object.entries(KINDS)) {
  test(`${kind}: sessions get GOAWAY, open streams are finished, idle sessions end`, LIMIT, async (t) => {
    const server = make() as Http2Server;
    const { whenHeld, release } = answering(server);
    const url = `${scheme}://127.0.0.1:${await serve(t, server)}`;
    const busy = await session(t, server, url);
    const idle = await session(t, server, url);
    assert.equal(await ask(idle), 'ok');
    const answer = ask(busy, '/held');
    await whenHeld();
    const goaways = [busy, idle].map(async (client) => (await once(client, 'goaway'))[0]);
    const report = drain(server, { ...LONG, idleMs: 100 });
    assert.deepEqual(await Promise.all(goaways), [0, 0]);
    release();
    assert.equal(await answer, 'ok');
    const { connections, finished, toldToClose, cut, outcome, durationMs } = await report;
    assert.deepEqual([connections, finished, toldToClose, cut, outcome], [2, 2, 2, 0, 'drained']);
    assert.ok(durationMs < 5000, String(durationMs));
  });

  test(`${kind}: a session without a request gets GOAWAY after its first stream`, LIMIT, async (t) => {
    const server = make() as Http2Server;
    answering(server);
    const client = await session(t, server, `${scheme}://127.0.0.1:${await serve(t, server)}`);
    let hasGoaway = false;
    client.once('goaway', () => {
      hasGoaway = true;
    });
    const report = drain(server, LONG);
    // The messages of the server at the start of the drain arrive before the answer to a later ping.
    await new Promise((resolve) => client.ping(resolve));
    assert.equal(hasGoaway, false);
    assert.equal(await ask(client), 'ok');
    const { finished, toldToClose } = await report;
    assert.deepEqual([finished, toldToClose], [1, 1]);
  });

  test(`${kind}: an endless stream is cut off at the deadline`, LIMIT, async (t) => {
    const server = make() as Http2Server;
    const { whenHeld } = answering(server);
    const client = await session(t, server, `${scheme}://127.0.0.1:${await serve(t, server)}`);
    const lost = assert.rejects(ask(client, '/held').then((text) => assert.notEqual(text, '')));
    await whenHeld();
    const { cut, outcome, toldToClose } = await drain(server, { timeoutMs: 100 });
    assert.deepEqual([cut, outcome, toldToClose], [1, 'timed out', 1]);
    await lost;
  });
}

test(
  'streams that cross GOAWAY are refused, reach no handler, and their client is notified',
  LIMIT,
  async (t) => {
    const server = createServer();
    const { whenHeld, release } = answering(server);
    const port = await serve(t, server);
    // Messages of the server are delayed, as by a slow network.
    let hold = false;
    const heldBack: Buffer[] = [];
    let toClient: Socket | undefined;
    const proxy = createNetServer((socket) => {
      toClient = socket;
      const upstream = connectNet(port, '127.0.0.1');
      t.after(() => {
        upstream.destroy();
      });
      socket.on('error', () => undefined).pipe(upstream);
      upstream.on('data', (chunk: Buffer) => {
        if (hold) heldBack.push(chunk);
        else socket.write(chunk);
      });
      upstream.on('end', () => {
        if (!hold) socket.end();
      });
    });
    // The proxy creates no session. The server behind it does.
    const client = await session(t, server, `http://127.0.0.1:${await serve(t, proxy, false)}`);
    const early = ask(client, '/held');
    await whenHeld();
    hold = true;
    const report = drain(server, LONG);
    // GOAWAY has been written at this point.
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
    let streams = 0;
    server.on('stream', () => {
      streams += 1;
    });
    const late = ask(client);
    hold = false;
    for (const chunk of heldBack) toClient?.write(chunk);
    await assert.rejects(late, { code: 'ERR_HTTP2_STREAM_ERROR', message: /REFUSED_STREAM/ });
    release();
    assert.equal(await early, 'ok');
    const { finished, cut } = await report;
    assert.deepEqual([finished, cut, streams], [1, 0, 0]);
  },
);

test('HTTP/1.1 and HTTP/2 are drained on one port', LIMIT, async (t) => {
  const server = createSecureServer({ ...CERTIFICATE, allowHTTP1: true }, (_, response) =>
    response.end('ok'),
  );
  const port = await serve(t, server as Http2Server);
  const h2 = await session(t, server as Http2Server, `https://127.0.0.1:${port}`);
  const again = await openTls(t, server, port, { ALPNProtocols: ['http/1.1'] });
  const idle = await openTls(t, server, port, { ALPNProtocols: ['http/1.1'] });
  await askOnce(again);
  await askOnce(idle);
  assert.equal(await ask(h2), 'ok');
  const report = drain(server, { ...LONG, idleMs: 300 });
  assert.match(await again.send(get()).until(/\[end\]/), /connection: close[\s\S]*ok\[end\]$/i);
  assert.match(await idle.until(/\[/), /\[end\]$/);
  for (const client of [again, idle]) client.socket.end();
  const { connections, finished, closedIdle, toldToClose } = await report;
  assert.deepEqual([connections, finished, closedIdle, toldToClose], [3, 2, 1, 2]);
});

test(
  'an unwatched server drains sessions that Node reports, and others at their next stream',
  LIMIT,
  async (t) => {
    const server = createServer();
    answering(server);
    const port = await serve(t, server, false);
    const client = await session(t, server, `http://127.0.0.1:${port}`);
    assert.equal(await ask(client), 'ok');
    const report = drain(server, LONG);
    // Before version 24 Node does not report this session. The stream makes it known.
    const whenGoaway = once(client, 'goaway');
    assert.equal(await ask(client), 'ok');
    await whenGoaway;
    const { connections, finished, toldToClose, cut } = await report;
    assert.deepEqual([connections, finished, toldToClose, cut], [1, 1, 1, 0]);
  },
);

test(
  'clients that send consecutive requests lose nothing when server after server is drained',
  LIMIT,
  async (t) => {
    const DRAINS = 10;
    const ANSWERS_EACH = 40;
    const events = new EventEmitter();
    let port = 0;
    let answers = 0;
    let running = true;
    const nextServer = async (): Promise<Http2Server> => {
      const server = createServer();
      answering(server);
      port = await serve(t, server);
      return server;
    };
    const run = async (random: () => number): Promise<void> => {
      let client: ClientHttp2Session | null = null;
      while (running) {
        if (client === null || client.closed) {
          client = connect(`http://127.0.0.1:${port}`);
          t.after(() => client?.destroy());
        }
        assert.equal(await ask(client), 'ok');
        answers += 1;
        events.emit('answer');
        await new Promise((resolve) => setTimeout(resolve, random() * 30));
      }
      client?.close();
    };
    let server = await nextServer();
    const clients = Array.from({ length: 16 }, (_, index) => run(seededRandom(index)));
    for (let drained = 0; drained < DRAINS; drained += 1) {
      const wanted = answers + ANSWERS_EACH;
      while (answers < wanted) await Promise.race([once(events, 'answer'), Promise.all(clients)]);
      const old = server;
      server = await nextServer();
      const { connections, finished, cut } = await drain(old, LONG);
      // A client may be between two sessions.
      assert.ok(connections > 0);
      assert.deepEqual([finished, cut], [connections, 0]);
    }
    running = false;
    await Promise.all(clients);
  },
);
