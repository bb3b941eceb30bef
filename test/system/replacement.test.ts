import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { StatusDocument } from '../../src/control/protocol.ts';
import { command } from '../support/command.ts';
import { fixture } from '../support/paths.ts';
import { nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { startReplaceable } from '../support/replaceable.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

const CHECK = { interval: '300ms', timeout: '2s', failures: 2 };

async function statusOf(scope: Scope, zero: Zero): Promise<StatusDocument> {
  const { code, stdout, stderr } = await command(scope, zero, 'status', '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The fault of the worker, and the config with which zero detects it. */
const ILLNESSES = {
  'that takes more memory than max_memory': {
    signal: 'SIGUSR1',
    cause: 'memory',
    sections: { restart: { max_memory: '140MiB' } },
  },
  'that fails its liveness check over HTTP': {
    signal: 'SIGUSR2',
    cause: 'liveness',
    sections: { liveness: { http: { listener: 'http', path: '/healthz' }, ...CHECK } },
  },
  'that no longer sends WATCHDOG=1': {
    signal: 'SIGWINCH',
    cause: 'liveness',
    sections: { liveness: { watchdog: '4s', ...CHECK } },
  },
} as const;

for (const [how, { signal, cause, sections }] of Object.entries(ILLNESSES)) {
  describe(`a worker ${how}`, () => {
    for (const workers of [1, 3])
      it(
        `is replaced under load without losing a request: the ${workers === 1 ? 'only one' : 'second of three'}`,
        DEADLINE,
        async (t) => {
          const service = await startReplaceable(t, workers, sections);
          const { zero, pidOf, proceed, assertNothingLost } = service;
          const worker = workers - 1 === 0 ? 0 : 1;
          await proceed('before');
          const pid = pidOf(worker);
          process.kill(pid, signal);
          const replaced = await zero.fact('worker_replaced', { worker });
          assert.deepEqual([replaced.generation, replaced.replacement, replaced.cause], [1, workers, cause]);
          await proceed('after');
          const { expected, exit } = await zero.fact('worker_exited', { pid });
          assert.deepEqual([expected, exit], [true, { kind: 'exited', code: 0 }]);
          await proceed('gone');
          const { generations, incumbent } = await statusOf(t, zero);
          assert.equal(incumbent, 1);
          assert.deepEqual(
            generations.map((generation) => generation.workers.map((one) => [one.state, one.ready])),
            [Array.from({ length: workers }, () => ['up', true])],
          );
          await assertNothingLost();
          assert.deepEqual(zero.log.all('worker_replacement_failed'), []);
        },
      );
  });
}

describe('workers that fail their liveness checks', () => {
  it('all of several: zero only reports them', DEADLINE, async (t) => {
    const liveness = { http: { listener: 'http', path: '/healthz' }, ...CHECK };
    const { zero, pidOf, proceed, assertNothingLost } = await startReplaceable(t, 2, { liveness });
    await proceed('before');
    // Simulates a database failure: the checks of both workers fail from now on.
    for (const worker of [0, 1]) process.kill(pidOf(worker), 'SIGUSR2');
    for (const worker of [0, 1]) await zero.fact('worker_unhealthy', { worker });
    await proceed('after');
    const { generations } = await statusOf(t, zero);
    for (const { unhealthy } of generations[0]?.workers ?? [])
      assert.match(unhealthy ?? '', /GET \/healthz returned 500/);
    await assertNothingLost();
    assert.deepEqual(zero.log.all('worker_replaced'), []);
  });

  it('one with action report: only event, status and metric', DEADLINE, async (t) => {
    const liveness = { http: { listener: 'http', path: '/healthz' }, ...CHECK, action: 'report' };
    const { zero, pidOf, proceed, assertNothingLost } = await startReplaceable(t, 2, { liveness });
    await proceed('before');
    process.kill(pidOf(0), 'SIGUSR2');
    const { reason, all } = await zero.fact('worker_unhealthy', { worker: 0 });
    assert.match(reason, /liveness check failed 2 times in a row; last: GET \/healthz returned 500/);
    assert.equal(all, false);
    await proceed('after');
    const { steering } = await statusOf(t, zero);
    assert.deepEqual(steering?.main, [0, 1]);
    await assertNothingLost();
    assert.deepEqual(zero.log.all('worker_replacing'), []);
  });

  it(
    'one that sets a shorter time with WATCHDOG_USEC, also after an upgrade of zero',
    DEADLINE,
    async (t) => {
      const liveness = { watchdog: '60s', interval: '200ms', action: 'report' };
      const { zero, incumbent } = await startServing(t, { liveness });
      await incumbent.notify('WATCHDOG=1\nWATCHDOG_USEC=2000000');
      const { reason } = await zero.fact('worker_unhealthy', { worker: 0 });
      assert.equal(reason, 'no WATCHDOG=1 within 2s');
      const upgrade = await command(t, zero, 'upgrade');
      assert.equal(upgrade.code, 0, upgrade.stderr);
      await zero.fact('supervisor_recovered');
      // The next zero answers this request after it has written its state.
      const { code } = await command(t, zero, 'status');
      assert.equal(code, 0);
      const { processes } = JSON.parse(readFileSync(join(zero.folder, 'run', 'state.json'), 'utf8'));
      assert.deepEqual(
        processes.map(({ watchdog_ms }: { watchdog_ms: number }) => watchdog_ms),
        [2_000],
      );
    },
  );

  it('one that sends WATCHDOG=trigger: within a quarter of the time', DEADLINE, async (t) => {
    const liveness = { watchdog: '60s', interval: '200ms', action: 'report' };
    const { zero, incumbent } = await startServing(t, { liveness });
    await incumbent.notify('WATCHDOG=trigger');
    const { reason } = await zero.fact('worker_unhealthy', { worker: 0 });
    assert.equal(reason, 'the worker sent WATCHDOG=trigger');
  });

  it('by a command, which receives the number of its worker', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const run = [
      'sh',
      '-c',
      `echo "$ZERO_GENERATION $ZERO_WORKER" >> ${folder}/checks; test "$ZERO_WORKER" != 1`,
    ];
    const { zero, proceed, assertNothingLost } = await startReplaceable(t, 2, {
      liveness: { command: { run }, ...CHECK },
    });
    const { replacement } = await zero.fact('worker_replaced', { worker: 1 });
    assert.equal(replacement, 2);
    await proceed('after');
    const checks = new Set(readFileSync(join(folder, 'checks'), 'utf8').trim().split('\n'));
    for (const check of ['1 0', '1 1']) assert.ok(checks.has(check), check);
    await assertNothingLost();
  });
});

describe('a worker during its replacement', () => {
  it(
    'keeps serving if its script on disk has changed, and the hook receives the reason',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const script = join(folder, 'main.mjs');
      writeFileSync(script, `import '${fixture('replaceable.js')}';\n`);
      const hook = ['sh', '-c', `echo "$ZERO_OUTCOME $ZERO_WORKER $ZERO_CAUSE" > ${folder}/hook`];
      const zero = startZero(t, {
        config: {
          service: {
            listeners: [{ name: 'http', address: '127.0.0.1:0' }],
            runtime: { path: process.execPath, args: [script], environment: environmentList({}) },
            options: { reload_uptime: '0s' },
            handover: { settle: '200ms', drain_timeout: '1s' },
            liveness: { http: { listener: 'http', path: '/healthz' }, ...CHECK },
            hooks: { on_replace: { run: hook } },
          },
        },
      });
      await zero.fact('generation_promoted', { generation: 1 });
      // Simulates a deploy in progress: the script changes, and scripts have no copies.
      appendFileSync(script, '// version 2\n');
      const [{ pid } = assert.fail('a worker')] = zero.log.all('worker_spawned');
      process.kill(pid, 'SIGUSR2');
      const { failure } = await zero.fact('worker_replacement_failed', { worker: 0 });
      assert.match(
        failure.reason,
        /main\.mjs was replaced\. zero deploys another release only by a handover/,
      );
      await zero.fact('hook_finished', { hook: 'on_replace' });
      assert.equal(readFileSync(join(folder, 'hook'), 'utf8'), 'failed 0 liveness\n');
      const { generations } = await statusOf(t, zero);
      assert.deepEqual(
        generations.map(({ workers }) => workers.map((one) => [one.pid, one.state])),
        [[[pid, 'up']]],
      );
    },
  );
});

describe('a worker behind a steered Unix listener', () => {
  it(
    'is replaced, although all workers have the socket of the first lane, and a later reload works',
    DEADLINE,
    async (t) => {
      const path = join(temporaryFolder(t), 'http.sock');
      const run = ['sh', '-c', 'test "$ZERO_WORKER" != 0'];
      const service = await startServing(t, {
        listeners: [{ name: 'http', address: `unix:${path}`, steer: true }],
        handover: { mode: 'auto', settle: '200ms', drain_timeout: '1s' },
        liveness: { command: { run }, ...CHECK },
      });
      const { zero, puppets, incumbent } = service;
      const replacement = await nextReady(puppets);
      await zero.fact('worker_replaced', { worker: 0, replacement: 1 });
      await zero.fact('worker_exited', { pid: incumbent.pid, expected: true });
      assert.equal((await whoAnswers(`unix:${path}`)).pid, replacement.pid);
      service.reload();
      const candidate = await nextReady(puppets);
      await zero.fact('generation_promoted', { generation: 2 });
      await zero.fact('worker_exited', { pid: replacement.pid, expected: true });
      assert.equal((await whoAnswers(`unix:${path}`)).pid, candidate.pid);
    },
  );
});
