import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ClientOptions, type ControlClient, controlClient } from '../../../src/control/client.ts';
import { ClientError } from '../../../src/control/client-error.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { PROMOTED, STATUS } from './fake-control.ts';
import { IDENTITY, type Served, serve } from './fixture.ts';

/** A command of the same release as the supervisor. */
function clientOf(options: Omit<ClientOptions, 'version'>): ControlClient {
  return controlClient({ version: IDENTITY.version, ...options });
}

async function problemOf(promise: Promise<unknown>): Promise<ClientError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ClientError, String(error));
  return error;
}

async function all<T>(lines: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

/** A server on the socket that is not zero. */
async function serverAnswering(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const path = join(temporaryFolder(t), 'socket');
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(path);
  await once(server, 'listening');
  return path;
}

const head = (type: string, length = '') => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${length}\r\n`;

test('every command is sent', async (t) => {
  const { path, control } = await serve(t);
  const client = clientOf({ path });
  assert.deepEqual(await client.status(), STATUS);
  await client.promote();
  await client.abort();
  assert.deepEqual(control.calls, ['promote', 'abort']);
  const lines = all(client.reload({ replace: true, timeout_ms: 9 }));
  await control.until(() => control.reloads.length === 1);
  control.report({ event: 'generation_promoted', generation: 4, previous: 3 });
  control.reloads[0]?.verdict({
    ...PROMOTED,
    outcome: 'rolled_back',
    failure: { step: 'exit', reason: 'x', exit: { kind: 'signaled', signal: 'SIGSEGV', coreDumped: true } },
  });
  assert.deepEqual(await lines, [
    { accepted: { ticket: 't1', handover: 2 } },
    { fact: { event: 'generation_promoted', generation: 4, previous: 3 } },
    {
      verdict: {
        version: 1,
        outcome: 'rolled_back',
        handover: 2,
        generation: 4,
        incumbent: 4,
        down: null,
        duration_ms: 1500,
        failure: {
          step: 'exit',
          reason: 'x',
          exit: { kind: 'signaled', signal: 'SIGSEGV', core_dumped: true },
        },
      },
    },
  ]);
  assert.deepEqual(control.reloads[0]?.options, {
    preview: false,
    replace: true,
    timeoutMs: 9,
    wait: true,
    label: null,
  });
});

test('a refusal has its code and its message', async (t) => {
  const { path, control } = await serve(t);
  control.answer = { ok: false, message: 'there is nothing to abort' };
  const error = await problemOf(clientOf({ path }).abort());
  assert.deepEqual(
    [error.problem, error.code, error.message],
    ['refused', 'wrong_state', 'there is nothing to abort'],
  );
});

test('a missing supervisor is reported', async (t) => {
  const folder = temporaryFolder(t);
  assert.equal((await problemOf(clientOf({ path: join(folder, 'none') }).status())).problem, 'no_instance');
  assert.equal(
    (await problemOf(clientOf({ path: join(folder, 'no', 'ne') }).status())).problem,
    'no_instance',
  );
});

test('a supervisor that never responds is reported', async (t) => {
  const path = await serverAnswering(t, () => {});
  const error = await problemOf(clientOf({ path, patience: 5 }).status());
  assert.equal(error.problem, 'silent');
  assert.match(error.message, /has not answered within 0\.005 s/);
});

test('a supervisor that never completes a plain response is reported', async (t) => {
  const path = await serverAnswering(t, (socket) =>
    socket.write(`${head('application/json', 'Content-Length: 100\r\n')}{`),
  );
  assert.ok(
    ['gone', 'silent'].includes((await problemOf(clientOf({ path, patience: 20 }).status())).problem),
  );
});

test('a connection that ends before or within the response is reported', async (t) => {
  const before = await serverAnswering(t, (socket) => socket.destroy());
  assert.equal((await problemOf(clientOf({ path: before }).status())).problem, 'gone');
  const middle = await serverAnswering(t, (socket) => {
    socket.write(
      `${head('application/x-ndjson', 'Transfer-Encoding: chunked\r\n')}1d\r\n{"accepted":{"ticket":"t1"}}\n\r\n`,
      () => socket.destroy(),
    );
  });
  assert.equal((await problemOf(all(clientOf({ path: middle }).reload({})))).problem, 'gone');
});

const STRANGE: readonly [name: string, answer: string][] = [
  ['invalid HTTP', 'SSH-2.0-OpenSSH_9.7\r\n'],
  ['invalid JSON', `${head('text/html', 'Content-Length: 6\r\n')}<html>`],
  ['another document', `${head('application/json', 'Content-Length: 13\r\n')}{"version":2}`],
  [
    'a version that is not a number',
    `${head('application/json', 'Zero-Protocol: one\r\nContent-Length: 2\r\n')}{}`,
  ],
  ['an error of another kind', 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}'],
];

for (const [name, answer] of STRANGE) {
  test(`a server other than zero is reported: ${name}`, async (t) => {
    const path = await serverAnswering(t, (socket) => socket.end(answer));
    assert.equal((await problemOf(clientOf({ path }).status())).problem, 'strange');
  });
}

test('unknown fields and lines are ignored', async (t) => {
  const lines = [
    '{"accepted":{"ticket":"t1"},"more":1}',
    '{"news":1}',
    '{"fact":{"event":"new_event","x":1}}',
  ];
  const path = await serverAnswering(t, (socket) =>
    socket.end(`${head('application/x-ndjson')}${lines.join('\n')}\n{"cut`),
  );
  assert.deepEqual(await all(clientOf({ path }).reload({})), [
    { accepted: { ticket: 't1' } },
    { fact: { event: 'new_event', x: 1 } },
  ]);
});

test('an endless line is refused', async (t) => {
  const path = await serverAnswering(t, (socket) => {
    socket.write(head('application/x-ndjson'));
    const chunk = 'x'.repeat(65536);
    const more = (): void => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  });
  assert.equal((await problemOf(all(clientOf({ path }).reload({})))).problem, 'strange');
});

test('an abort signal ends the wait', async (t) => {
  const { path, control } = await serve(t);
  const controller = new AbortController();
  const lines = all(clientOf({ path }).reload({}, controller.signal));
  await control.until(() => control.reloads.length === 1);
  controller.abort();
  await assert.rejects(lines, { name: 'AbortError' });
  await control.until(() => control.listeners === 0);
});

test('a request waits while the supervisor runs and does not listen yet', async (t) => {
  const path = join(temporaryFolder(t), 'control.sock');
  let served: Promise<Served> | null = null;
  let calls = 0;
  const supervisor = () => {
    calls += 1;
    // The first call is before the first attempt.
    if (calls === 2) served = serve(t, { path });
    return 4242;
  };
  const client = clientOf({ path, supervisor });
  assert.deepEqual(await client.status(), STATUS);
  // Only the first one waits: later ones report the loss.
  await (await (served as Promise<Served> | null))?.server.close();
  assert.equal((await problemOf(client.status())).problem, 'no_instance');
});

test('a supervisor that runs and never listens does not answer', async (t) => {
  const path = join(temporaryFolder(t), 'control.sock');
  const { problem, message } = await problemOf(
    clientOf({ path, patience: 60, supervisor: () => 1 }).status(),
  );
  assert.equal(problem, 'silent');
  assert.match(message, /^zero has not answered within 0\.06 s \(control socket /);
});

test('a request does not wait for a supervisor that has exited meanwhile, or after Ctrl-C', async (t) => {
  const path = join(temporaryFolder(t), 'control.sock');
  const pids = [1, 1];
  const { problem } = await problemOf(clientOf({ path, supervisor: () => pids.shift() ?? null }).status());
  assert.deepEqual([problem, pids], ['no_instance', []]);
  const controller = new AbortController();
  const supervisor = () => {
    setImmediate(() => controller.abort());
    return 1;
  };
  await assert.rejects(clientOf({ path, supervisor }).status(controller.signal), { name: 'AbortError' });
});

for (const [after, times, name] of [
  [1, 2, 'is sent again'],
  [2, 1, 'is not sent again to another supervisor'],
] as const) {
  test(`a request whose connection was closed without an answer ${name}`, async (t) => {
    let sent = 0;
    const path = await serverAnswering(t, (socket) => {
      sent += 1;
      socket.destroy();
    });
    const pids = [1, after];
    const { problem } = await problemOf(clientOf({ path, supervisor: () => pids.shift() ?? null }).status());
    assert.deepEqual([problem, sent], ['gone', times]);
  });
}
