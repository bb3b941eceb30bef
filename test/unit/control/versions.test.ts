import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promote } from '../../../src/cli/promote.ts';
import { type ClientOptions, type ControlClient, controlClient } from '../../../src/control/client.ts';
import { ClientError, type ClientProblem } from '../../../src/control/client-error.ts';
import { isCompatible, PROTOCOL, parseProtocol } from '../../../src/control/version.ts';
import {
  answerText,
  type RecordedExchange,
  recordedExchanges,
  requestText,
  startFakeSupervisor,
} from '../../support/recorded-control.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { cliFixture } from '../cli/fixture.ts';
import { PROMOTED, STATUS } from './fake-control.ts';
import { connect, request, serve } from './fixture.ts';

const RECORDED = recordedExchanges(1);

function recorded(name: string): RecordedExchange {
  const found = RECORDED.find((exchange) => exchange.name === name);
  assert.ok(found, name);
  return found;
}

/** A client of release 0.3.0 and a supervisor that responds with these bytes. */
async function clientOf(
  t: TestContext,
  answer: string,
  options: Partial<ClientOptions> = {},
): Promise<{ client: ControlClient; requests: string[] }> {
  const path = join(temporaryFolder(t), 'control.sock');
  const requests = await startFakeSupervisor(t, path, answer);
  return { client: controlClient({ path, version: '0.3.0', ...options }), requests };
}

async function all<T>(lines: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

/** Repeats the recorded request, and returns every document of the response. */
async function askAgain(
  client: ControlClient,
  { method, path }: RecordedExchange['request'],
): Promise<unknown[]> {
  switch (`${method} ${path.replace(/\?.*/, '')}`) {
    case 'GET /v1/status':
      return [await client.status()];
    case 'GET /v1/history':
      return [await client.history()];
    case 'POST /v1/promote':
      return [(await client.promote()) ?? {}];
    case 'POST /v1/abort':
      return [(await client.abort()) ?? {}];
    case 'POST /v1/signal':
      return [await client.signal({ signal: 'SIGWINCH' })];
    case 'POST /v1/rollback':
      return all(client.rollback({}));
    case 'POST /v1/stop':
      return all(client.stop({}));
    case 'GET /v1/logs':
      return all(client.logs({}));
    case 'GET /v1/events':
      return all(client.events());
    default:
      return all(client.reload({}));
  }
}

const problemOf = async (promise: Promise<unknown>): Promise<{ problem: ClientProblem; message: string }> => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ClientError, String(error));
  return { problem: error.problem, message: error.message };
};

/** Requests with a field that this version knows, and that was unknown when they were recorded. */
const KNOWN_SINCE: ReadonlyMap<string, string> = new Map([['error-unknown-field', '200']]);

for (const exchange of RECORDED) {
  test(`a recorded response is read without loss: ${exchange.name}`, async (t) => {
    const { lines, status } = exchange.answer;
    const { client } = await clientOf(t, answerText(exchange.answer));
    const found = await askAgain(client, exchange.request).catch((error: unknown) => [error]);
    // A field of the first status documents that was neither documented nor read.
    const known = (key: string, value: unknown) => (key === 'previewFrom' ? undefined : value);
    const documents = lines
      .map((line) => line.replace(/^data: /, ''))
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line, known));
    if (status === 200) {
      assert.deepEqual(found, documents);
      return;
    }
    const [error] = found;
    assert.ok(error instanceof ClientError);
    assert.equal(error.code, documents[0].error.code);
    assert.ok(error.message.startsWith(documents[0].error.message), error.message);
  });

  test(`a recorded request gets the recorded response: ${exchange.name}`, async (t) => {
    const { path, control, views } = await serve(t);
    views.output.open(13);
    if (exchange.answer.status === 409)
      control.answer = { ok: false, message: 'there is nothing to promote' };
    const socket = await connect(t, path);
    const status = new Promise((resolve) => {
      socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1').split(' ')[1]));
    });
    socket.write(requestText(exchange.request));
    assert.equal(await status, KNOWN_SINCE.get(exchange.name) ?? String(exchange.answer.status));
  });
}

test('a recorded request still has the same effect', async (t) => {
  const { path, control } = await serve(t);
  control.onReload = () => {
    for (const { verdict } of [...control.reloads, ...control.rollbacks]) verdict(PROMOTED);
  };
  for (const name of [
    'reload-rolled-back-exited',
    'reload-preview',
    'reload-replace',
    'reload-no-wait',
    'rollback-failed',
  ]) {
    const { method, path: route, body } = recorded(name).request;
    await request(t, path, `${method} ${route}`, body).catch(() => undefined);
  }
  const none = { preview: false, replace: false, timeoutMs: null, wait: true, label: null };
  assert.deepEqual(
    control.reloads.map(({ options }) => options),
    [
      { ...none, timeoutMs: 90_000 },
      { ...none, preview: true },
      { ...none, replace: true },
      { ...none, wait: false },
    ],
  );
  assert.deepEqual(
    control.rollbacks.map(({ options }) => options),
    [{ to: 3, timeoutMs: null }],
  );
});

test('adjacent versions understand each other', () => {
  const compatible = [2, 3, 4, 5, 6].filter((other) => isCompatible(4, other));
  assert.deepEqual(compatible, [3, 4, 5]);
  assert.deepEqual(['1', '17', '0', '-1', '1.0', '', 'one'].map(parseProtocol), [
    1,
    17,
    null,
    null,
    null,
    null,
    null,
  ]);
});

const asked = (protocol: number | string) => [`Zero-Protocol: ${protocol}`];

test('a supervisor accepts requests of adjacent versions only', async (t) => {
  const { path, control } = await serve(t);
  for (const protocol of [PROTOCOL, PROTOCOL + 1])
    assert.equal((await request(t, path, 'GET /v1/status', '', asked(protocol))).status, 200);
  const { status, headers, body } = await request(t, path, 'POST /v1/abort', '', asked(PROTOCOL + 2));
  assert.equal(status, 400);
  assert.deepEqual(body, {
    error: {
      code: 'unsupported_protocol',
      message:
        'zero 1.2.3 (example, pid 4242) supports version 1 of the control protocol and the versions next to it, the request has version 3',
    },
  });
  assert.match(headers, /Zero-Protocol: 1\r\nZero-Version: 1\.2\.3\r\nZero-Name: example\r\nZero-Pid: 4242/);
  const wrong = await request(t, path, 'POST /v1/abort', '', asked('latest'));
  assert.match(JSON.stringify(wrong.body), /"bad_request","message":"the header Zero-Protocol must be/);
  assert.deepEqual(control.calls, []);
});

test('a response without a request also contains the version', async (t) => {
  const { path } = await serve(t);
  const { status, headers } = await request(t, path, 'no HTTP');
  assert.equal(status, 400);
  assert.match(headers, /Zero-Protocol: 1\r\n/);
});

test('a command sends its version and its release', async (t) => {
  const { client, requests } = await clientOf(t, answerText(recorded('promote').answer));
  await client.promote();
  assert.match(requests[0] ?? '', /\r\nZero-Protocol: 1\r\nZero-Version: 0\.3\.0\r\n/);
});

/** Headers of a supervisor of another version. */
const speaking = (protocol: number, version: string) => ({
  'Zero-Protocol': String(protocol),
  'Zero-Version': version,
  'Zero-Name': 'web',
  'Zero-Pid': '12',
});

const plain = (document: unknown): RecordedExchange['answer'] => ({
  status: 200,
  headers: { 'Content-Type': 'application/json' },
  lines: [JSON.stringify(document)],
});

test('a supervisor one version newer is understood, with additional fields and values', async (t) => {
  const [generation] = STATUS.generations;
  const newer = {
    ...STATUS,
    version: PROTOCOL + 1,
    mode: 'draining',
    colour: 'blue',
    generations: [{ ...generation, stage: 'adopted', colour: 'blue' }],
  };
  const { client } = await clientOf(t, answerText(plain(newer), speaking(PROTOCOL + 1, '0.4.0')));
  const { colour: _, ...known } = newer;
  assert.deepEqual(await client.status(), { ...known, generations: [{ ...generation, stage: 'adopted' }] });

  const verdict = {
    ...JSON.parse(recorded('reload-rolled-back-exited').answer.lines.at(-1) ?? '').verdict,
    outcome: 'postponed',
    colour: 'blue',
  };
  verdict.failure.exit = { kind: 'stopped', by: 'systemd' };
  const lines = ['{"accepted":{"ticket":"1"}}', '{"progress":{"percent":5}}', JSON.stringify({ verdict })];
  const answer = { ...recorded('reload-promoted').answer, lines };
  const stream = await clientOf(t, answerText(answer, speaking(PROTOCOL + 1, '0.4.0')));
  const { colour: __, ...read } = verdict;
  assert.deepEqual(await all(stream.client.reload({})), [
    { accepted: { ticket: '1' } },
    { verdict: { ...read, failure: { ...verdict.failure, exit: { kind: 'stopped' } } } },
  ]);
});

test('a supervisor one version older is understood', async (t) => {
  const { client } = await clientOf(t, answerText(recorded('status-serving').answer), { protocol: 2 });
  assert.equal((await client.status()).mode, 'running');
});

const TOO_OLD = {
  problem: 'incompatible',
  message:
    'zero 0.9.0 runs as web (pid 12), this command is zero 0.3.0, which is too old to control it. Use the zero command of version 0.9.0.',
};

test('a supervisor two versions newer is refused, whatever it responds', async (t) => {
  const newer = speaking(PROTOCOL + 2, '0.9.0');
  for (const answer of [
    plain({ entirely: 'different' }),
    { status: 400, headers: {}, lines: ['{"error":{"code":"unsupported_protocol","message":"..."}}'] },
    { status: 200, headers: {}, lines: ['no JSON'] },
  ]) {
    const { client } = await clientOf(t, answerText(answer, newer));
    assert.deepEqual(await problemOf(client.status()), TOO_OLD);
    assert.deepEqual(await problemOf(all(client.reload({}))), TOO_OLD);
  }
});

test('a supervisor two versions older is refused', async (t) => {
  const older = await clientOf(t, answerText(recorded('status-serving').answer, speaking(2, '0.1.0')), {
    protocol: 4,
  });
  assert.deepEqual(await problemOf(older.client.status()), {
    problem: 'incompatible',
    message:
      'zero 0.1.0 runs as web (pid 12), this command is zero 0.3.0, which is too new to control it. Restart the instance, or use the zero command of version 0.1.0.',
  });
  const first = await clientOf(t, answerText(recorded('status-serving').answer), { protocol: 3 });
  assert.match(
    (await problemOf(first.client.status())).message,
    /^an earlier version of zero runs there, this command is zero 0\.3\.0, which is too new/,
  );
});

test('a request unknown to an older supervisor is refused, with both releases', async (t) => {
  for (const name of ['error-unknown-field', 'error-unknown-path']) {
    const { client } = await clientOf(t, answerText(recorded(name).answer, speaking(1, '0.1.0')));
    const { problem, message } = await problemOf(all(client.reload({})));
    assert.equal(problem, 'refused');
    assert.match(message, / \(zero 0\.1\.0 runs as web \(pid 12\), this command is zero 0\.3\.0\)$/);
  }
  // From a supervisor of the same release it is only an error.
  const same = await clientOf(t, answerText(recorded('error-unknown-field').answer, speaking(1, '0.3.0')));
  assert.equal((await problemOf(all(same.client.reload({})))).message, 'label: there is no such field');
});

test('the name of a supervisor is printed without control characters', async (t) => {
  const at = cliFixture(t);
  mkdirSync(join(at.root, 'example'));
  const evil = { ...speaking(3, '0.9.0'), 'Zero-Name': '\u009b2J' };
  await startFakeSupervisor(t, join(at.root, 'example', 'control.sock'), answerText(plain({}), evil));
  assert.equal(await promote({ name: 'example' }, at.context), 1);
  assert.match(at.err(), /^zero promote: zero 0\.9\.0 runs as .*u009b2J \(pid 12\)/);
});

test('an unreadable response is reported with both releases', async (t) => {
  const { client } = await clientOf(t, answerText(plain({ version: 1 }), speaking(1, '0.1.0')));
  const { problem, message } = await problemOf(client.status());
  assert.equal(problem, 'strange');
  assert.match(message, /control protocol of zero \(zero 0\.1\.0 runs as web/);
});
