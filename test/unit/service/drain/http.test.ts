import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { drain } from '../../../../src/service/drain/drain.ts';
import { askOnce, get, headsIn, LIMIT, LONG, open, RawClient, SOON, serve } from './support.ts';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** A server whose handlers wait for the test: `release` answers `/held`, everything else is answered immediately. */
function heldServer(answer: Answer = (response) => response.end('ok')) {
  const events = new EventEmitter();
  const held: [ServerResponse, IncomingMessage][] = [];
  const handler: RequestListener = (request, response) => {
    if (request.url !== '/held') return void response.end('ok');
    held.push([response, request]);
    return void events.emit('held');
  };
  const server = createServer(handler);
  server.keepAliveTimeout = 0;
  return {
    server,
    whenHeld: async (count = 1) => {
      while (held.length < count) await once(events, 'held');
    },
    release: () => {
      for (const [response, request] of held.splice(0)) answer(response, request);
    },
  };
}

const OWN_HEADS: Readonly<Record<string, Answer>> = {
  'sets no such header': (response) => response.end('ok'),
  'streams, with a flushed head': (response) => {
    response.flushHeaders();
    response.write('o');
    response.end('k');
  },
  'sets headers': (response) => {
    response.setHeader('Connection', 'keep-alive').setHeader('Keep-Alive', 'timeout=7').end('ok');
  },
  'removes the header': (response) => {
    response.removeHeader('Connection');
    response.end('ok');
  },
  'writes its head with an object': (response) => {
    response.writeHead(200, { connection: 'Keep-Alive', 'KEEP-ALIVE': 'timeout=7', 'Content-Length': 2 });
    response.end('ok');
  },
  'writes its head with a message and a flat list': (response) => {
    response.writeHead(200, 'Fine', ['Connection', 'keep-alive', 'Content-Length', '2', 'Keep-Alive', 'x']);
    response.end('ok');
  },
  'writes its head with pairs': (response) => {
    const pairs = [
      ['Connection', 'keep-alive'],
      ['Content-Length', '2'],
    ];
    response.writeHead(200, pairs as never).end('ok');
  },
  'writes its head by its old name': (response) => {
    const { writeHeader = response.writeHead } = response as unknown as { writeHeader?: Answer };
    Reflect.apply(writeHeader, response, [200, { Connection: 'keep-alive', 'Content-Length': 2 }]);
    response.end('ok');
  },
  'sets and writes': (response) => {
    response.setHeader('Connection', 'keep-alive');
    response.writeHead(200, { 'Content-Length': 2, 'Keep-Alive': 'timeout=7' }).end('ok');
  },
};

for (const [name, answer] of Object.entries(OWN_HEADS)) {
  test(
    `a response in progress when the drain begins has Connection: close: its handler ${name}`,
    LIMIT,
    async (t) => {
      const { server, whenHeld, release } = heldServer(answer);
      const client = await open(t, server, await serve(t, server));
      client.send(get('/held'));
      await whenHeld();
      const report = drain(server, LONG);
      release();
      const text = await client.until(/\[end\]/);
      const [head = ''] = headsIn(text);
      assert.match(head, /\r\nconnection: close\r\n/);
      assert.doesNotMatch(head, /keep-alive/);
      assert.match(text, /ok(\r\n0\r\n\r\n)?\[end\]$|k\r\n0\r\n\r\n\[end\]$/);
      client.socket.end();
      const { finished, toldToClose, outcome } = await report;
      assert.deepEqual([finished, toldToClose, outcome], [1, 1, 'drained']);
    },
  );
}

test('other names in Connection and repeated headers are kept', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer((response) => {
    response.writeHead(200, [
      'Set-Cookie',
      'a=1',
      'Connection',
      'X-Hop, keep-alive',
      'Set-Cookie',
      'b=2',
      'Content-Length',
      '2',
    ]);
    response.end('ok');
  });
  const client = await open(t, server, await serve(t, server));
  client.send(get('/held'));
  await whenHeld();
  const report = drain(server, LONG);
  release();
  const [head = ''] = headsIn(await client.until(/\[end\]/));
  assert.match(head, /\r\nconnection: x-hop, close\r\n/);
  assert.match(head, /set-cookie: a=1\r\nset-cookie: b=2\r\n/);
  client.socket.end();
  await report;
});

test('idle clients that send again get Connection: close; silent ones are served too', LIMIT, async (t) => {
  const { server } = heldServer();
  const port = await serve(t, server);
  const again = await open(t, server, port);
  await askOnce(again);
  const silent = await open(t, server, port);
  const report = drain(server, LONG);
  for (const client of [again, silent]) {
    await client.send(get()).until(/\[end\]/);
    client.socket.end();
  }
  const [first, second] = headsIn(again.text);
  assert.match(first ?? '', /connection: keep-alive/);
  assert.match(second ?? '', /connection: close/);
  assert.match(headsIn(silent.text)[0] ?? '', /connection: close/);
  const { connections, finished, toldToClose, closedIdle, cut } = await report;
  assert.deepEqual([connections, finished, toldToClose, closedIdle, cut], [2, 2, 2, 0, 0]);
});

test('idle clients that never send again are closed cleanly after their time', LIMIT, async (t) => {
  const { server } = heldServer();
  const port = await serve(t, server);
  const clients = [await open(t, server, port), await open(t, server, port)];
  for (const client of clients) await askOnce(client);
  const silent = await open(t, server, port);
  const report = drain(server, SOON);
  for (const client of [...clients, silent]) {
    assert.match(await client.until(/\[/), /\[end\]$/);
    client.socket.end();
  }
  const { connections, closedIdle, raced, cut, outcome, durationMs } = await report;
  assert.deepEqual([connections, closedIdle, raced, cut, outcome], [3, 3, 0, 0, 'drained']);
  assert.ok(durationMs >= 49, `idle connections were closed after ${durationMs} ms`);
});

test(
  'a request that crosses the close of its idle connection reaches no handler, and is counted',
  LIMIT,
  async (t) => {
    const { server } = heldServer();
    let requests = 0;
    server.on('request', () => {
      requests += 1;
    });
    const client = await open(t, server, await serve(t, server));
    await askOnce(client);
    const report = drain(server, SOON);
    await client.until(/\[end\]/);
    client.send(get());
    client.socket.end();
    const { closedIdle, raced, cut } = await report;
    assert.deepEqual([closedIdle, raced, cut, requests], [1, 1, 0, 1]);
  },
);

test('a request whose body is still arriving is read completely and answered', LIMIT, async (t) => {
  let begun = (): void => undefined;
  const reading = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const server = createServer((request, response) => {
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      begun();
    });
    request.on('end', () => response.end(`size ${size}`));
  });
  const port = await serve(t, server);
  const client = await open(t, server, port);
  const silent = await open(t, server, port);
  const post = (length: number) => `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
  client.send(`${post(20_000)}${'x'.repeat(10_000)}`);
  await reading;
  const report = drain(server, { ...LONG, idleMs: 0 });
  // Idle connections are closed before the body has arrived.
  await silent.until(/\[end\]/);
  silent.socket.end();
  const text = await client.send('x'.repeat(10_000)).until(/\[end\]/);
  assert.match(text, /connection: close[\s\S]*size 20000/i);
  client.socket.end();
  const { finished, closedIdle, cut } = await report;
  assert.deepEqual([finished, closedIdle, cut], [1, 1, 0]);
});

test('a connection with an incomplete head is not idle', LIMIT, async (t) => {
  const { server } = heldServer();
  const port = await serve(t, server);
  const client = await open(t, server, port);
  await askOnce(client);
  client.send('GET / HTTP/1.1\r\nHost: ');
  const other = await open(t, server, port);
  await askOnce(other);
  const report = drain(server, SOON);
  // Closed at the same moment as the first one would have been.
  await other.until(/\[end\]/);
  other.socket.end();
  assert.match(
    await client.send('localhost\r\n\r\n').until(/\[end\]/),
    /connection: close[\s\S]*ok\[end\]$/i,
  );
  client.socket.end();
  const { closedIdle, finished, raced } = await report;
  assert.deepEqual([closedIdle, finished, raced], [1, 1, 0]);
});

test('a response that is sent before the body has arrived is complete, and not reset', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer();
  const client = await open(t, server, await serve(t, server));
  const rest = 'x'.repeat(2_000_000);
  client.send(`POST /held HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${rest.length + 1}\r\n\r\nx`);
  await whenHeld();
  const report = drain(server, LONG);
  release();
  await client.until(/ok\[end\]/);
  await new Promise((resolve) => client.socket.end(rest, 'latin1', () => resolve(null)));
  await client.closed;
  assert.match(client.text, /connection: close[\s\S]*ok\[end\]$/i);
  assert.deepEqual((await report).finished, 1);
});

test('a response whose writeHead was wrapped before the drain has Connection: close', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer();
  // The same as on-headers, which compression, morgan and cookie-session use.
  server.prependListener('request', (_, response) => {
    const { writeHead } = response;
    response.writeHead = ((...head: unknown[]) => {
      response.setHeader('Connection', 'keep-alive');
      return Reflect.apply(writeHead, response, head);
    }) as typeof writeHead;
  });
  const client = await open(t, server, await serve(t, server));
  client.send(get('/held'));
  await whenHeld();
  const report = drain(server, LONG);
  release();
  assert.match(await client.until(/\[end\]/), /connection: close[\s\S]*ok\[end\]$/i);
  client.socket.end();
  assert.equal((await report).toldToClose, 1);
});

test('pipelined requests are all answered, and the last response has Connection: close', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer();
  const client = await open(t, server, await serve(t, server));
  client.send(get('/held') + get('/held') + get('/held'));
  await whenHeld(3);
  const report = drain(server, LONG);
  release();
  const heads = headsIn(await client.until(/\[end\]/));
  assert.deepEqual(
    heads.map((head) => /connection: ([\w-]+)/.exec(head)?.[1]),
    ['keep-alive', 'keep-alive', 'close'],
  );
  client.socket.end();
  assert.equal((await report).finished, 1);
});

test(
  'a streaming response whose head is sent is completed, and then its connection is closed',
  LIMIT,
  async (t) => {
    const { server, whenHeld, release } = heldServer((response) => response.end('data: last\n\n'));
    server.prependListener('request', (request, response) => {
      if (request.url === '/held')
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n');
    });
    const port = await serve(t, server);
    const client = await open(t, server, port);
    const silent = await open(t, server, port);
    client.send(get('/held'));
    await whenHeld();
    await client.until(/data: 1/);
    const report = drain(server, { ...LONG, idleMs: 0 });
    await silent.until(/\[end\]/);
    silent.socket.end();
    release();
    assert.match(await client.until(/\[end\]/), /data: last\n\n\r\n0\r\n\r\n\[end\]$/);
    client.socket.end();
    const { closedIdle, toldToClose, cut } = await report;
    assert.deepEqual([closedIdle, toldToClose, cut], [2, 0, 0]);
  },
);

test('an endless handler is cut off at the deadline, and its client can detect it', LIMIT, async (t) => {
  const server = createServer((_, response) => {
    // Only the end of the connection determines its length.
    response.sendDate = false;
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200).write('half');
  });
  const client = await open(t, server, await serve(t, server));
  await client.send(get()).until(/half/);
  const { cut, outcome, durationMs, finished } = await drain(server, { timeoutMs: 100 });
  assert.deepEqual([cut, finished, outcome], [1, 0, 'timed out']);
  assert.ok(durationMs >= 99 && durationMs < 5000, String(durationMs));
  await client.closed;
  assert.match(client.text, /half\[ECONNRESET\]$/);
});

test('an abort cuts open connections, also those from before the drain', LIMIT, async (t) => {
  for (const early of [false, true]) {
    const { server, whenHeld } = heldServer();
    const client = await open(t, server, await serve(t, server));
    client.send(get('/held'));
    await whenHeld();
    const controller = new AbortController();
    if (early) controller.abort();
    const report = drain(server, { ...LONG, signal: controller.signal });
    controller.abort();
    const { cut, outcome } = await report;
    assert.deepEqual([cut, outcome], [1, 'aborted']);
  }
});

test('the wait for a client that does not close its side is short', LIMIT, async (t) => {
  const { server } = heldServer();
  await askOnce(await open(t, server, await serve(t, server)));
  const { closedIdle, durationMs } = await drain(server, SOON);
  assert.equal(closedIdle, 1);
  assert.ok(durationMs < 5000, String(durationMs));
});

test(
  "the server's own keepAliveTimeout still applies, and its close is counted as idle",
  LIMIT,
  async (t) => {
    const { server } = heldServer();
    server.keepAliveTimeout = 1;
    const client = await open(t, server, await serve(t, server));
    await askOnce(client);
    const report = drain(server, LONG);
    await client.until(/\[end\]/);
    client.send(get());
    client.socket.end();
    const { closedIdle, raced, durationMs } = await report;
    assert.deepEqual([closedIdle, raced], [1, 1]);
    assert.ok(durationMs < 5000);
  },
);

test('Expect: 100-continue is answered with 100 and served', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer();
  const client = await open(t, server, await serve(t, server));
  client.send('POST /held HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
  await client.until(/100 Continue\r\n\r\n/);
  await whenHeld();
  const report = drain(server, LONG);
  client.send('hi');
  release();
  assert.match(await client.until(/\[end\]/), /connection: close[\s\S]*ok\[end\]$/i);
  client.socket.end();
  assert.equal((await report).finished, 1);
});

test('connections in the accept queue are accepted and served', LIMIT, async (t) => {
  const { server } = heldServer();
  const port = await serve(t, server);
  const clients = Array.from({ length: 50 }, () => new RawClient(t, connect(port, '127.0.0.1')));
  // The clients' handshakes are complete: on loopback the kernel completes them before connect() returns. Nothing was
  // accepted yet.
  const report = drain(server, LONG);
  for (const client of clients) client.send(get());
  for (const client of clients)
    assert.match(await client.until(/\[end\]/), /connection: close[\s\S]*ok\[end\]$/i);
  const { connections, finished } = await report;
  assert.deepEqual([connections, finished], [50, 50]);
  await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), /ECONNREFUSED/);
});

test('a close call of the program during a drain joins the drain', LIMIT, async (t) => {
  const { server } = heldServer();
  const client = await open(t, server, await serve(t, server));
  await askOnce(client);
  const report = drain(server, LONG);
  const closed = new Promise<unknown>((resolve) => server.close(resolve));
  server.closeIdleConnections();
  // It was not closed as idle.
  assert.match(await client.send(get()).until(/\[end\]/), /ok[\s\S]*connection: close[\s\S]*ok\[end\]$/i);
  client.socket.end();
  assert.equal(await closed, undefined);
  assert.equal((await report).finished, 1);
  // It is the server's own method again.
  assert.equal(Object.hasOwn(server, 'close'), false);
  const [error] = await new Promise<unknown[]>((resolve) => server.close((...result) => resolve(result)));
  assert.equal((error as NodeJS.ErrnoException).code, 'ERR_SERVER_NOT_RUNNING');
});

test('the connections of a closed server are drained', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer();
  const client = await open(t, server, await serve(t, server));
  client.send(get('/held'));
  await whenHeld();
  server.close();
  const report = drain(server, LONG);
  release();
  assert.match(await client.until(/\[end\]/), /connection: close/i);
  client.socket.end();
  assert.equal((await report).finished, 1);
});

test('a second drain joins the first, and the earlier deadline counts', LIMIT, async (t) => {
  const { server, whenHeld } = heldServer();
  const client = await open(t, server, await serve(t, server));
  client.send(get('/held'));
  await whenHeld();
  const first = drain(server, LONG);
  const second = drain(server, { timeoutMs: 50 });
  const report = await first;
  assert.equal(await second, report);
  assert.deepEqual([report.cut, report.outcome], [1, 'timed out']);
  assert.equal(await drain(server), report);
});

test('a server that listens again is drained again', LIMIT, async (t) => {
  const { server } = heldServer();
  await serve(t, server);
  const first = await drain(server, LONG);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const second = await drain(server, LONG);
  assert.notEqual(second, first);
  assert.equal(server.listening, false);
});

test(
  'a server that never listened has no connections to drain, several are drained as one',
  LIMIT,
  async (t) => {
    const never = createServer();
    const { server } = heldServer();
    const client = await open(t, server, await serve(t, server));
    await askOnce(client);
    const report = drain([never, server, server], SOON);
    await client.until(/\[end\]/);
    client.socket.end();
    const { connections, closedIdle, outcome } = await report;
    assert.deepEqual([connections, closedIdle, outcome], [1, 1, 'drained']);
  },
);

test('an unwatched server is drained as well', LIMIT, async (t) => {
  const { server, whenHeld, release } = heldServer();
  const port = await serve(t, server, false);
  const [held, again, idle, silent] = [
    await open(t, server, port),
    await open(t, server, port),
    await open(t, server, port),
    await open(t, server, port),
  ];
  await askOnce(again);
  await askOnce(idle);
  held.send(get('/held'));
  await whenHeld();
  const report = drain(server, { ...LONG, idleMs: 500 });
  release();
  again.send(get());
  for (const client of [held, again, idle, silent]) {
    assert.match(await client.until(/\[/), /\[end\]$/);
    client.socket.end();
  }
  for (const client of [held, again]) assert.match(headsIn(client.text).at(-1) ?? '', /connection: close/);
  const { connections, finished, closedIdle, toldToClose } = await report;
  assert.deepEqual([connections, finished, closedIdle, toldToClose], [4, 2, 2, 2]);
});

test('responses of other servers stay unchanged, and all do after the drain', LIMIT, async (t) => {
  const drained = heldServer();
  const other = heldServer();
  await serve(t, drained.server);
  const client = await open(t, other.server, await serve(t, other.server));
  const held = await open(t, drained.server, (drained.server.address() as { port: number }).port);
  held.send(get('/held'));
  await drained.whenHeld();
  const report = drain(drained.server, LONG);
  await askOnce(client);
  assert.match(headsIn(client.text)[0] ?? '', /connection: keep-alive/);
  drained.release();
  await held.until(/\[end\]/);
  held.socket.end();
  await report;
  await client.send(get()).until(/ok[\s\S]*ok$/);
  assert.match(headsIn(client.text)[1] ?? '', /connection: keep-alive/);
});
