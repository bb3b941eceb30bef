import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { account, asAccount, requireRoot } from '../support/privileges.ts';
import {
  assertUntouched,
  nextReady,
  type PuppetService,
  startPuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero } from '../support/zero.ts';
import { writeConfig } from '../support/zero-config.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };

describe('zero reload exits with', () => {
  it('0 when the candidate was promoted and the soak is over', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...QUICK, soak: '300ms' } });
    const reloading = startCommand(t, service.zero, ['reload', '--json']);
    await nextReady(service.puppets);
    const { code, stdout, stderr } = await reloading.finished;
    assert.deepEqual([code, stderr], [0, '']);
    const { outcome, handover, generation, incumbent, failure, duration_ms } = JSON.parse(stdout);
    assert.deepEqual([outcome, handover, generation, incumbent, failure], ['promoted', 2, 2, 2, null]);
    assert.ok(duration_ms >= 300);
  });

  it('1 when there is no executable to start', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    service.rewrite({ runtime: { path: '/no/such/program' } });
    const { code, stdout, stderr } = await command(t, service.zero, 'reload');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /^handover 2 failed after .*: generation 1 keeps serving\n {2}step {4}release\.path\n/,
    );
    assert.match(stderr, /\/no\/such\/program: ENOENT/);
    await assertUntouched(service, service.incumbent);
  });

  it('2 for a usage error', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    for (const args of [['--timeout', 'soon'], ['--timeout', '0s'], ['--no-such-option'], ['surplus']]) {
      const { code, stderr } = await command(t, service.zero, 'reload', ...args);
      assert.equal(code, 2, stderr);
      assert.notEqual(stderr, '');
    }
    assert.equal(service.zero.log.all('reload_requested').length, 0);
  });

  it('3 when no such zero runs', DEADLINE, async (t) => {
    const config = writeConfig(temporaryFolder(t), { service: { runtime: { path: '/bin/true' } } });
    for (const args of [
      ['status'],
      ['status', '--watch', '--json'],
      ['reload'],
      ['promote'],
      ['abort'],
      ['stop'],
      ['logs', '-f'],
      ['signal', 'HUP'],
    ]) {
      const { code, stderr } = await command(t, { config }, ...args);
      assert.equal(code, 3, stderr);
      assert.match(
        stderr,
        new RegExp(
          `^zero ${args[0]}: no instance that was started from ${config} is running\\. Looked in .*\n$`,
        ),
      );
    }
  });

  it('10 when the candidate failed, with the reason', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, service.zero, ['reload']);
    const candidate = await service.puppets.next();
    await candidate.write(2, 'no such table: users\n');
    await candidate.exit(7);
    const { code, stdout, stderr } = await reloading.finished;
    assert.deepEqual([code, stdout], [10, '']);
    assert.match(stderr, /^handover 2 rolled back after .*: generation 1 keeps serving\n/);
    assert.match(stderr, /reason {2}exited with code 7\n/);
    assert.match(stderr, /exit {4}exit code 7\n/);
    assert.match(stderr, /\| no such table: users\n/);
    await assertUntouched(service, service.incumbent);
  });

  it('10 when readiness.timeout expired', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK, readiness: { timeout: '1s' } });
    const { code, stderr } = await command(t, service.zero, 'reload');
    assert.equal(code, 10);
    assert.match(stderr, /readiness\.timeout/);
    assert.match(stderr, /no line on descriptor 10/);
    await assertUntouched(service, service.incumbent);
  });

  it('11 when --timeout expired, and the handover ended', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { code, stderr } = await command(t, service.zero, 'reload', '--timeout', '700ms');
    assert.equal(code, 11);
    assert.match(stderr, /^handover 2 timed out after /);
    await service.zero.fact('generation_gone', { generation: 2 });
    await assertUntouched(service, service.incumbent);
  });

  it('12 when an operator aborted it', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, service.zero, ['reload']);
    const candidate = await service.puppets.next();
    assert.equal((await command(t, service.zero, 'abort')).code, 0);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 12);
    assert.match(stderr, /aborted by zero abort/);
    await candidate.gone;
    await assertUntouched(service, service.incumbent);
  });

  it('12 when zero is stopped in the meantime', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, service.zero, ['reload']);
    await service.puppets.next();
    assert.equal((await command(t, service.zero, 'stop')).code, 0);
    assert.equal((await reloading.finished).code, 12);
    assert.equal((await service.zero.exited).code, 0);
  });

  it('13 without a waiting caller: --no-wait', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { code, stdout, stderr } = await command(t, service.zero, 'reload', '--no-wait');
    assert.deepEqual([code, stderr], [13, '']);
    assert.match(stdout, /^Handover 2 requested\. Wait for its result with: zero wait 2 --config /);
    await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });

  it('13 when the caller stops waiting: Ctrl-C', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, service.zero, ['reload']);
    const candidate = await service.puppets.next();
    reloading.signal('SIGINT');
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 13);
    assert.match(
      stderr,
      /^Handover 2 is still in progress\. Wait for its result with: zero wait 2 --config .* End it with: zero abort --config /,
    );
    await candidate.listen({ name: 'http' });
    await candidate.write(10, 'ready\n');
    await service.zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });

  it('14 when another request replaced it', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const first = startCommand(t, service.zero, ['reload']);
    const replaced = await service.puppets.next();
    const second = startCommand(t, service.zero, ['reload', '--replace']);
    const { code, stderr } = await first.finished;
    assert.equal(code, 14);
    assert.match(stderr, /^handover 2 superseded after /);
    await replaced.gone;
    await nextReady(service.puppets);
    assert.equal((await second.finished).code, 0);
  });

  it('the verdict of the handover that it was merged into', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    const first = startCommand(t, zero, ['reload', '--json']);
    const candidate = await puppets.next();
    const merged = [1, 2].map(() => startCommand(t, zero, ['reload', '--json']));
    for (let seen = 0, from = 0; seen < merged.length; seen += 1) {
      await zero.fact('reload_requested', { merged: true }, from);
      from = zero.log.facts.findLastIndex(({ event }) => event === 'reload_requested') + 1;
      if (zero.log.all('reload_requested', { merged: true }).length === merged.length) break;
    }
    await candidate.listen({ name: 'http' });
    await candidate.write(10, 'ready\n');
    assert.equal(JSON.parse((await first.finished).stdout).handover, 2);
    await nextReady(puppets);
    for (const { finished } of merged) {
      const { code, stdout } = await finished;
      assert.deepEqual([code, JSON.parse(stdout).handover], [0, 3]);
    }
  });
});

describe('in a wrong state', () => {
  it('promote and abort report it and exit with 1', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    for (const name of ['promote', 'abort']) {
      const { code, stdout, stderr } = await command(t, service.zero, name);
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(stderr, `zero ${name}: no handover is in progress\n`);
    }
    await assertUntouched(service, service.incumbent);
  });

  it('promote reports that the candidate is not ready yet', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    service.reload();
    await service.puppets.next();
    const { code, stderr } = await command(t, service.zero, 'promote');
    assert.equal(code, 1);
    assert.equal(
      stderr,
      'zero promote: generation 2 is not ready (handover 2, step starting). zero promotes it once its gates have passed.\n',
    );
  });
});

describe('zero status', () => {
  it('shows the running service, as text and as a document', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...QUICK, preview_from: ['127.77.0.1'] } });
    const { zero, incumbent } = service;
    const reloading = startCommand(t, zero, ['reload', '--preview']);
    const candidate = await nextReady(service.puppets);
    await zero.fact('handover_step', { step: 'preview' });
    const { code, stdout, stderr } = await command(t, zero, 'status', '--json');
    assert.deepEqual([code, stderr], [0, '']);
    const status = JSON.parse(stdout);
    assert.deepEqual(
      [status.version, status.name, status.pid, status.mode, status.incumbent, status.pending],
      [1, 'test', zero.pid, 'running', 1, false],
    );
    assert.deepEqual(
      [status.handover.id, status.handover.step, status.handover.candidate, status.handover.incumbent],
      [2, 'preview', 2, 1],
    );
    assert.ok(status.handover.until_ms > 0);
    assert.deepEqual(
      status.generations.map(
        ({ id, stage, workers }: { id: number; stage: string; workers: [{ pid: number }] }) => [
          id,
          stage,
          workers.map(({ pid }) => pid),
        ],
      ),
      [
        [1, 'serving', [incumbent.pid]],
        [2, 'ready', [candidate.pid]],
      ],
    );
    const [listener] = status.listeners;
    assert.deepEqual(
      [listener.name, listener.address, listener.steered, listener.queue],
      ['http', await zero.address('http'), true, 0],
    );
    assert.deepEqual([status.steering.main, status.steering.preview], [[0], [1]]);
    const text = await command(t, zero, 'status');
    assert.equal(text.code, 0);
    assert.match(text.stdout, /generation 1 {2}serving for /);
    assert.match(text.stdout, new RegExp(`worker 0 {2}up {2}pid ${candidate.pid} `));
    assert.equal((await command(t, zero, 'promote')).code, 0);
    assert.equal((await reloading.finished).code, 0);
  });
});

describe('zero stop', () => {
  it('requires an explicit instance, and stops that', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, incumbent } = service;
    const unnamed = await command(t, null, 'stop');
    assert.equal(unnamed.code, 2);
    assert.match(unnamed.stderr, /^zero stop: no instance specified\. Use --name NAME, --config FILE or /);
    await assertUntouched(service, incumbent);
    const { code, stderr } = await command(t, zero, 'stop');
    assert.deepEqual([code, stderr], [0, '']);
    // Its process exits before the command does.
    assert.equal((await zero.exited).code, 0);
    await zero.fact('stop_requested', { by: 'zero stop', now: false });
    assert.equal((await command(t, zero, 'status')).code, 3);
  });

  it('--now kills a service that does not exit', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { shutdown_timeout: '0s' } });
    await service.incumbent.onSignal('SIGTERM', 'report');
    assert.equal((await command(t, service.zero, 'stop', '--now')).code, 0);
    await service.zero.fact('worker_killed', { pid: service.incumbent.pid });
  });
});

/** Connects to the control socket, sends the text, and collects the response until the server closes the connection. */
async function raw(
  scope: Scope,
  { zero }: PuppetService,
  bytes: string,
): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(join(zero.folder, 'run', 'control.sock'));
  scope.after(() => {
    socket.destroy();
  });
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  const answer = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.write(bytes, 'latin1');
  return { socket, answer };
}

describe('for any data from a client of the control socket', () => {
  const junk = [
    { what: 'garbage', bytes: '\x00\xff\xfegarbage\r\n\r\n', status: 400 },
    { what: 'TLS', bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', status: 400 },
    { what: 'an unknown path', bytes: 'GET /v9/status HTTP/1.1\r\nHost: x\r\n\r\n', status: 404 },
    { what: 'a wrong method', bytes: 'GET /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n', status: 405 },
    {
      what: 'a body that is no JSON',
      bytes:
        'POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{now',
      status: 400,
    },
    {
      what: 'a field that nobody knows',
      bytes:
        'POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"nwo":true}',
      status: 400,
    },
    {
      what: 'endless headers',
      bytes: `GET /v1/status HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      status: 431,
    },
  ];

  it('the response is one clear error, and the service is unaffected', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    await command(t, service.zero, 'status');
    for (const { what, bytes, status } of junk) {
      const { answer } = await raw(t, service, bytes);
      assert.match(await answer, new RegExp(`^HTTP/1\\.1 ${status} `), what);
    }
    assert.equal(service.zero.log.all('stop_requested').length, 0);
    await assertUntouched(service, service.incumbent);
  });

  it('half a request, or none, a hundred times, does not block other clients', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    await command(t, service.zero, 'status');
    for (let count = 0; count < 100; count += 1) {
      await raw(t, service, count % 2 === 0 ? 'POST /v1/reload HTTP/1.1\r\nHost:' : '');
    }
    assert.equal((await command(t, service.zero, 'status')).code, 0);
    const reloading = startCommand(t, service.zero, ['reload']);
    await nextReady(service.puppets);
    assert.equal((await reloading.finished).code, 0);
    assert.equal((await command(t, service.zero, 'stop')).code, 0);
  });
});

/** A client outside of the checkout, which other users cannot read. It prints the status and the body, or the errno. */
function askBySocket(socketPath: string, method: 'GET' | 'POST', path: string): [string, ...string[]] {
  const headers = { 'Content-Type': 'application/json', Connection: 'close' };
  const script = `
    const request = require('node:http').request(${JSON.stringify({ socketPath, method, path, headers })}, (response) => {
      process.stdout.write(response.statusCode + ' ');
      response.pipe(process.stdout);
    });
    request.on('error', ({ code }) => process.stdout.write(code));
    request.end(${method === 'POST' ? "'{}'" : ''});`;
  return [process.execPath, '-e', script];
}

describe('another user', () => {
  it('may not control zero', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const service = await startServing(t, { handover: QUICK });
    const { zero, incumbent } = service;
    await command(t, zero, 'status');
    const socket = join(zero.folder, 'run', 'control.sock');
    chmodSync(zero.folder, 0o755);
    const ask = (method: 'GET' | 'POST' = 'POST', path = '/v1/stop') =>
      runZero(t, { command: [...asAccount(account('nobody')), ...askBySocket(socket, method, path)] });
    assert.equal((await ask()).stdout, 'EACCES');
    // The mode of the file permits the connection, and the credentials from the kernel do not.
    chmodSync(socket, 0o666);
    const { stdout } = await ask();
    assert.match(stdout, /^403 .*"code":"forbidden"/s);
    for (const path of ['/v1/status', '/v1/logs', '/v1/events'])
      assert.match((await ask('GET', path)).stdout, /^403 .*"code":"forbidden"/s);
    assert.equal(zero.log.all('stop_requested').length, 0);
    await assertUntouched(service, incumbent);
  });

  it('of the permitted group may control zero', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const nobody = account('nobody');
    const service = await startPuppetService(t, {
      application: { control: { group: String(nobody.gid) } },
      handover: QUICK,
    });
    const { zero, puppets } = service;
    await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 1 });
    await command(t, zero, 'status');
    chmodSync(zero.folder, 0o755);
    const socket = join(zero.folder, 'run', 'control.sock');
    const { stdout } = await runZero(t, {
      command: [...asAccount(nobody), ...askBySocket(socket, 'GET', '/v1/status')],
    });
    const [, status, body = ''] = /^(\d+) (.*)$/s.exec(stdout) ?? [];
    assert.deepEqual([status, JSON.parse(body).incumbent], ['200', 1]);
  });
});
