import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LogsOptions, logs } from '../../../src/cli/logs.ts';
import { abort, promote } from '../../../src/cli/promote.ts';
import { type ReloadOptions, reload } from '../../../src/cli/reload.ts';
import { signal } from '../../../src/cli/signal.ts';
import { type StatusOptions, status } from '../../../src/cli/status.ts';
import { stop } from '../../../src/cli/stop.ts';
import type { Outcome } from '../../../src/lifecycle/facts.ts';
import type { Verdict } from '../../../src/lifecycle/verdicts.ts';
import { PROMOTED, STATUS } from '../control/fake-control.ts';
import { cliFixture } from './fixture.ts';

const STATUS_OPTIONS: StatusOptions = { json: false, watch: false };
const RELOAD: ReloadOptions = { preview: false, replace: false, wait: true, json: false };
const FAILED: Verdict = {
  outcome: 'rolled_back',
  handover: 2,
  generation: 4,
  incumbent: 3,
  label: null,
  down: null,
  duration: 1500,
  failure: {
    step: 'exit',
    reason: 'worker exited before it was ready',
    generation: 4,
    worker: 0,
    exit: { kind: 'exited', code: 7 },
    output: ['first line', 'no database\u001b[2J'],
  },
};

async function reloaded(t: TestContext, verdict: Verdict, options: Partial<ReloadOptions> = {}) {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = reload({ ...RELOAD, ...options }, at.context);
  await control.until(() => control.reloads.length === 1);
  control.reloads[0]?.verdict(verdict);
  return { code: await code, out: at.out(), err: at.err(), options: control.reloads[0]?.options };
}

test('status prints the running service', async (t) => {
  const at = cliFixture(t);
  await at.run('example');
  assert.equal(await status({ ...STATUS_OPTIONS }, at.context), 0);
  assert.match(at.out(), /^example {2}zero 1\.2\.3, pid 4242, up 1m1s\n/);
});

test('status --json prints the document with open connections', async (t) => {
  const at = cliFixture(t);
  await at.run('example');
  assert.equal(await status({ ...STATUS_OPTIONS, json: true }, at.context), 0);
  const [generation] = STATUS.generations;
  assert.deepEqual(JSON.parse(at.out()), { ...STATUS, generations: [{ ...generation, connections: 17 }] });
});

test('signal reports the processes that received it; an unknown signal name exits with 2 and sends no request', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  assert.equal(await signal({ signal: 'usr1' }, at.context), 0);
  assert.equal(at.out(), 'SIGUSR1 sent to generation 3: pid 4300\n');
  assert.equal(await signal({ signal: 'usr3' }, at.context), 2);
  assert.equal(at.err(), 'zero signal: unknown signal "usr3". Write a name such as SIGUSR1, or a number\n');
  assert.deepEqual(control.calls, ['signal SIGUSR1']);
});

const LOGS: LogsOptions = { follow: false, json: false, raw: true };
const FROM_3 = { generation: 3, worker: 0, stream: 'stdout' } as const;

test('logs --raw prints the kept output byte for byte, and ends a line before output of another process', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('one\ntwo'));
  views.output.add({ ...FROM_3, worker: 1 }, Buffer.from([0xff, 0x00, 0x1b, 10]));
  assert.equal(await logs(LOGS, at.context), 0);
  assert.deepEqual([at.out(), at.err()], ['one\ntwo\n\u00ff\u0000\u001b\n', '']);
});

test('logs escapes control characters on a terminal, and keeps colours if they are wanted', async (t) => {
  const at = cliFixture(t, { size: { columns: 80, rows: 24 } });
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('\u001b[31mred\u001b[0m\ttab \u001b[2J\u0007\r\n'));
  assert.equal(await logs(LOGS, at.context), 0);
  assert.equal(at.out(), 'red\ttab \\u001b[2J\\u0007\n');
});

test('logs -n and --generation select lines', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('one\ntwo\n'));
  views.output.add({ ...FROM_3, generation: 4 }, Buffer.from('three\n'));
  assert.equal(await logs({ ...LOGS, lines: '2' }, at.context), 0);
  assert.equal(await logs({ ...LOGS, generation: '3', lines: '1' }, at.context), 0);
  assert.equal(at.out(), 'two\nthree\ntwo\n');
  assert.equal(await logs({ ...LOGS, generation: '9' }, at.context), 1);
  assert.equal(at.err(), 'zero logs: no output of generation 9 is kept. Kept generations: 3, 4\n');
  for (const wrong of [{ lines: 'x' }, { lines: '-1' }, { generation: '0' }, { generation: '1.5' }]) {
    assert.equal(await logs({ ...LOGS, ...wrong }, at.context), 2);
  }
});

test('logs reports how much output was discarded', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  const line = Buffer.from(`${'x'.repeat(999)}\n`);
  for (let count = 0; count < 1000; count += 1) views.output.add(FROM_3, line);
  assert.equal(await logs(LOGS, at.context), 0);
  const [, missing] = /^zero: (\d+) bytes before this are not kept\n$/.exec(at.err()) ?? [];
  assert.equal(Number(missing) + at.out().length, 1_000_000);
});

test('logs prints each line with its time and its worker', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('one\ntwo'));
  views.output.add({ ...FROM_3, worker: 1 }, Buffer.from([0xff, 10]));
  views.output.add(FROM_3, Buffer.from(' goes on\n'));
  assert.equal(await logs({ ...LOGS, raw: false }, at.context), 0);
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /gm;
  assert.equal(at.out().match(time)?.length, 4);
  assert.equal(at.out().replace(time, ''), 'g3.w0 one\ng3.w0 two\ng3.w1 \u00ff\ng3.w0  goes on\n');
});

test('logs prints local times with their offset on a terminal', async (t) => {
  const at = cliFixture(t, { size: { columns: 80, rows: 24 } });
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('one\n'));
  assert.equal(await logs({ ...LOGS, raw: false }, at.context), 0);
  const [, time = ''] = /^(\S+[+-]\d\d:\d\d) g3\.w0 one\n$/.exec(at.out()) ?? [];
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, at.out());
});

test('logs --since and --worker select lines', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('one\n'));
  views.output.add({ ...FROM_3, worker: 1 }, Buffer.from('two\nthree\n'));
  views.output.add(FROM_3, Buffer.from('four\n'));
  assert.equal(await logs({ ...LOGS, worker: '1' }, at.context), 0);
  assert.equal(await logs({ ...LOGS, worker: '0', lines: '1' }, at.context), 0);
  assert.equal(await logs({ ...LOGS, since: '1h', worker: '1', lines: '1' }, at.context), 0);
  assert.equal(await logs({ ...LOGS, since: '2099-01-01T00:00:00Z' }, at.context), 0);
  assert.equal(at.out(), 'two\nthree\nfour\nthree\n');
  for (const wrong of [
    { worker: '-1' },
    { worker: 'x' },
    { since: '5' },
    { since: 'yesterday' },
    { since: '-5m' },
    { since: '25:00' },
    { since: '2026-11-26T17:00:00' },
  ]) {
    assert.equal(await logs({ ...LOGS, ...wrong }, at.context), 2, JSON.stringify(wrong));
  }
  assert.match(
    at.err(),
    /^zero logs: --since "5" is not a time\. Write a duration \(5m, 1h30m\), a date and time with its offset \(2026-11-26T17:00:00Z\), or a time of day \(17:00\)$/m,
  );
});

test('logs --json prints one document, and with -f one document per line', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  const json = { ...LOGS, json: true, raw: false };
  assert.equal(await logs(json, at.context), 0);
  assert.deepEqual(JSON.parse(at.out()), { version: 1, lines: [], missing_bytes: 0 });
  views.output.add(FROM_3, Buffer.from('one\ntwo'));
  views.output.add({ ...FROM_3, stream: 'stderr' }, Buffer.from([0xff, 10]));
  views.output.add(FROM_3, Buffer.from(' goes on\n'));
  const before = at.out().length;
  assert.equal(await logs(json, at.context), 0);
  const { lines, ...rest } = JSON.parse(at.out().slice(before));
  assert.deepEqual(rest, { version: 1, missing_bytes: 0 });
  const stdout = { generation: 3, worker: 0, stream: 'stdout' };
  assert.deepEqual(
    lines.map(({ time, ...line }: { time: string }) => ({
      ...line,
      hasTime: !Number.isNaN(Date.parse(time)),
    })),
    [
      { ...stdout, text: 'one', hasTime: true },
      { ...stdout, stream: 'stderr', base64: '/w==', hasTime: true },
      { ...stdout, text: 'two goes on', hasTime: true },
    ],
  );
  const code = logs({ ...json, follow: true, lines: '2' }, at.context);
  await at.printed('"text":"two goes on"}\n');
  at.interrupt();
  assert.equal(await code, 0);
});

test('logs -f continues until Ctrl-C, which is not a failure', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('before\n'));
  const code = logs({ ...LOGS, follow: true }, at.context);
  await at.printed('before\n');
  views.output.add(FROM_3, Buffer.from('after\n'));
  await at.printed('after\n');
  at.interrupt();
  assert.equal(await code, 0);
});

test('logs -f --generation ends with the generation', async (t) => {
  const at = cliFixture(t);
  const { views } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('before\n'));
  const code = logs({ ...LOGS, follow: true, generation: '3' }, at.context);
  await at.printed('before\n');
  views.output.close(3);
  assert.equal(await code, 0);
});

test('logs -f ends when zero announces its exit', async (t) => {
  const at = cliFixture(t);
  const { views, server } = await at.run('example');
  views.output.add(FROM_3, Buffer.from('before\n'));
  const code = logs({ ...LOGS, follow: true }, at.context);
  await at.printed('before\n');
  await server.close();
  assert.deepEqual([await code, at.err()], [0, '']);
});

test('an unknown instance exits with 3', async (t) => {
  const at = cliFixture(t);
  for (const run of [
    status({ ...STATUS_OPTIONS, name: 'example' }, at.context),
    reload({ ...RELOAD, name: 'example' }, at.context),
    promote({ name: 'example' }, at.context),
    abort({ name: 'example' }, at.context),
    stop({ now: false, name: 'example' }, at.context),
    signal({ signal: 'HUP', name: 'example' }, at.context),
    logs({ ...LOGS, name: 'example' }, at.context),
    status({ ...STATUS_OPTIONS }, at.context),
  ]) {
    assert.equal(await run, 3);
  }
  assert.match(at.err(), /zero status: no instance with the name example is running\. Looked in /);
});

test('a promoted handover exits with 0', async (t) => {
  const { code, out, err } = await reloaded(t, PROMOTED);
  assert.deepEqual([code, out, err], [0, 'handover 2 promoted after 1.5s: generation 4 serves\n', '']);
});

test('a failed handover prints the step, the reason, the exit and the last output, with control characters escaped', async (t) => {
  const { code, out, err } = await reloaded(t, FAILED);
  assert.equal(code, 10);
  assert.equal(out, '');
  assert.deepEqual(err.split('\n'), [
    'handover 2 rolled back after 1.5s: generation 3 keeps serving',
    '  step    exit',
    '  reason  worker exited before it was ready',
    '  in      generation 4, worker 0',
    '  exit    exit code 7',
    '  last output:',
    '    | first line',
    '    | no database\\u001b[2J',
    '',
  ]);
});

test('--json prints the verdict as one document', async (t) => {
  const { code, out, err } = await reloaded(t, FAILED, { json: true });
  assert.equal(code, 10);
  assert.equal(err, '');
  assert.equal(JSON.parse(out).failure.exit.code, 7);
});

const CODES: readonly [Outcome, number][] = [
  ['promoted', 0],
  ['failed', 1],
  ['rolled_back', 10],
  ['timed_out', 11],
  ['aborted', 12],
  ['superseded', 14],
];

for (const [outcome, code] of CODES) {
  test(`${outcome} exits with ${code}`, async (t) => {
    assert.equal((await reloaded(t, { ...FAILED, outcome })).code, code);
  });
}

test('reload sends its options', async (t) => {
  const given = { preview: true, replace: true, timeout: '1m30s', label: 'v1.2.3 "blue"' };
  const { options } = await reloaded(t, PROMOTED, given);
  const label = 'v1.2.3 "blue"';
  assert.deepEqual(options, { preview: true, replace: true, timeoutMs: 90_000, wait: true, label });
});

for (const [what, label, problem] of [
  ['nothing', '', 'is empty'],
  ['a newline', 'v1\nv2', 'contains the control or invisible character U+000A'],
  ['an escape sequence', 'v1\u001b[2J', 'contains the control or invisible character U+001B'],
  [
    'a character that reverses the text direction',
    'v1\u202e',
    'contains the control or invisible character U+202E',
  ],
  ['bytes that are not UTF-8', 'v1\ufffd', 'is not valid UTF-8'],
  ['a space at its end', 'v1 ', 'begins or ends with a space'],
  ['an option in its place', '--preview', 'begins with "-". Is its value missing?'],
  ['129 characters', 'x'.repeat(129), 'has 129 characters. Use at most 128.'],
  ['a megabyte', 'x'.repeat(1024 * 1024), 'has 1048576 characters. Use at most 128.'],
] as const) {
  test(`a label with ${what} exits with 2 and sends no request`, async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('example');
    assert.equal(await reload({ ...RELOAD, label }, at.context), 2);
    assert.equal(at.err(), `zero reload: --label ${problem}\n`);
    assert.deepEqual(control.calls, []);
  });
}

test('a verdict shows the release', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = reload({ ...RELOAD, label: 'v1.2.3' }, at.context);
  await control.until(() => control.reloads.length === 1);
  control.reloads[0]?.verdict({ ...PROMOTED, label: 'v1.2.3' });
  assert.equal(await code, 0);
  assert.equal(at.out(), 'handover 2 (v1.2.3) promoted after 1.5s: generation 4 serves\n');
});

test('an invalid timeout exits with 2 and sends no request', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  assert.equal(await reload({ ...RELOAD, timeout: '90' }, at.context), 2);
  assert.match(at.err(), /^zero reload: --timeout "90" has no unit: write 90s\n/);
  assert.equal(await reload({ ...RELOAD, timeout: '0s' }, at.context), 2);
  assert.deepEqual(control.calls, []);
});

test('--no-wait exits with 13', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  assert.equal(await reload({ ...RELOAD, wait: false }, at.context), 13);
  assert.equal(at.out(), 'Handover 2 requested. Wait for its result with: zero wait 2\n');
  assert.equal(at.err(), '');
  assert.equal(control.reloads[0]?.options.wait, false);
});

test('Ctrl-C exits with 13, and the handover continues', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control } = await at.run('example');
  const code = reload(RELOAD, at.context);
  await control.until(() => control.reloads.length === 1);
  control.report({ event: 'handover_started', handover: 2, incumbent: 3, by: 'SIGHUP' });
  await at.shown('handover 2 started');
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(
    at.err(),
    /Handover 2 is still in progress\. Wait for its result with: zero wait 2\. End it with: zero abort\n$/,
  );
  await control.until(() => control.listeners === 0);
  assert.deepEqual(control.calls, ['reload']);
});

test('Ctrl-C after zero has received the request, and before its answer, exits with 13, too', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const receive = control.reload.bind(control);
  control.reload = (...request) => {
    at.interrupt();
    return receive(...request);
  };
  assert.equal(await reload(RELOAD, at.context), 13);
  assert.match(at.err(), /^Handover 2 is still in progress\./);
});

test('a supervisor that exits before the verdict makes the command exit with 1', async (t) => {
  const at = cliFixture(t);
  const { control, server } = await at.run('example');
  const code = reload(RELOAD, at.context);
  await control.until(() => control.reloads.length === 1);
  await server.close();
  assert.equal(await code, 1);
  assert.match(at.err(), /^zero reload: zero exited before it reported the result\. Check its log\.\n$/);
});

test('progress is printed only on a terminal', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control } = await at.run('example');
  const code = reload(RELOAD, at.context);
  await control.until(() => control.reloads.length === 1);
  at.tick();
  control.report({
    event: 'handover_step',
    handover: 2,
    step: 'canary',
    generation: 4,
    percent: 5,
    lasts: 30_000,
  });
  control.report({ event: 'worker_restarting', generation: 4, worker: 0, delay: 100, attempt: 1 });
  control.reloads[0]?.verdict(PROMOTED);
  assert.equal(await code, 0);
  assert.match(at.err(), /1s {2}canary 5 % for 30s\n/);
  assert.match(at.err(), /worker restarting generation=4 worker=0/);
});

test('promote and abort exit with 0, or with 1 and the reason', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  assert.equal(await promote({}, at.context), 0);
  assert.equal(await abort({}, at.context), 0);
  control.answer = { ok: false, message: 'there is no handover to abort' };
  assert.equal(await abort({}, at.context), 1);
  assert.equal(at.err(), 'zero abort: there is no handover to abort\n');
});

test('stop refuses to choose an instance itself', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  assert.equal(await stop({ now: false }, at.context), 2);
  assert.deepEqual(control.calls, []);
});

test('stop waits for the exit of the supervisor, not only for its response; Ctrl-C exits with 13', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control, server } = await at.run('example');
  const code = stop({ now: true, name: 'example' }, at.context);
  await control.until(() => control.calls.length === 1);
  assert.deepEqual(control.calls, ['stop now']);
  control.report({ event: 'stop_requested', by: 'control', now: true });
  await server.close();
  await at.shown('stopping now');
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(at.err(), /zero is still stopping\. Follow it with "zero status"\n$/);
});

test('permission denied is reported as such', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, async (t) => {
  const at = cliFixture(t);
  const { path } = await at.run('example');
  chmodSync(path, 0o600);
  const uid = process.geteuid?.() ?? 0;
  chmodSync(at.root, 0o755);
  chmodSync(join(at.root, 'example'), 0o755);
  process.seteuid?.(65534);
  try {
    assert.equal(await status({ ...STATUS_OPTIONS, name: 'example' }, at.context), 1);
  } finally {
    process.seteuid?.(uid);
  }
  assert.match(at.err(), /control\.sock: permission denied\. Run this command as the user of that zero/);
});

/** A supervisor that answers each request with these lines and exits. */
async function answerAndExit(t: TestContext, root: string, lines: readonly unknown[]): Promise<void> {
  mkdirSync(join(root, 'example'), { recursive: true });
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n';
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.write(`${head}${body.length.toString(16)}\r\n${body}\r\n`, () => socket.destroy()),
    );
  });
  t.after(() => void server.close());
  await new Promise<void>((resolve) => server.listen(join(root, 'example', 'control.sock'), resolve));
}

test('stop names the processes that keep running, and exits with 1', async (t) => {
  const at = cliFixture(t);
  const refusal = 'cannot send SIGKILL to process 13 (sudo): EPERM';
  const error = (fields: object) => ({
    fact: { time: '2026-11-27T00:00:00.000Z', event: 'error', ...fields },
  });
  await answerAndExit(t, at.root, [
    { accepted: { pid: 1 } },
    error({ step: 'kill', message: 'process 12 of generation 1 keeps running' }),
    error({ step: 'kill remaining processes', errno: 'EPERM', message: refusal }),
    // A signal that failed for now is sent again.
    error({ step: 'kill', errno: 'ENOMEM', message: 'cannot send SIGKILL' }),
    { stopped: true },
  ]);
  assert.equal(await stop({ now: false, name: 'example' }, at.context), 1);
  assert.equal(at.err(), `zero stop: process 12 of generation 1 keeps running\nzero stop: ${refusal}\n`);
});

test('stop detects the exit of the process', async (t) => {
  const at = cliFixture(t);
  mkdirSync(join(at.root, 'example'));
  const lines = '{"accepted":{"pid":1}}\n{"stopped":true}\n';
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n';
  let text = `${head}${lines.length.toString(16)}\r\n${lines}\r\n`;
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(text, () => socket.destroy()));
  });
  t.after(() => void server.close());
  await new Promise<void>((resolve) => server.listen(join(at.root, 'example', 'control.sock'), resolve));
  assert.equal(await stop({ now: false, name: 'example' }, at.context), 0);
  const accepted = '{"accepted":{"pid":1}}\n';
  text = `${head}${accepted.length.toString(16)}\r\n${accepted}\r\n`;
  assert.equal(await stop({ now: false, name: 'example' }, at.context), 1);
  assert.match(at.err(), /zero exited before it reported that the service had stopped/);
});
