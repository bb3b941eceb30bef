import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { becomeReady, nextReady, type PuppetSections, startServing } from '../support/puppet-service.ts';
import { startReplaceable } from '../support/replaceable.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };

async function scale(scope: Scope, zero: Zero, ...args: readonly string[]) {
  const { code, stdout, stderr } = await command(scope, zero, 'scale', ...args, '--json');
  return { code, stderr, ...JSON.parse(stdout || '{}') };
}

for (const mode of ['steered', 'shared'])
  describe(`zero scale in ${mode} mode`, () => {
    it('from 1 to 4 to 2 workers under load loses no request', DEADLINE, async (t) => {
      const handover = { mode, ...(mode === 'steered' && QUICK) };
      const { zero, proceed, assertNothingLost } = await startReplaceable(t, 1, { handover });
      await proceed('one');
      const more = await scale(t, zero, '4');
      assert.deepEqual([more.code, more.outcome, more.from, more.to, more.workers], [0, 'done', 1, 4, 4]);
      await proceed('four');
      const fewer = await scale(t, zero, '2');
      assert.deepEqual(
        [fewer.code, fewer.outcome, fewer.from, fewer.to, fewer.workers],
        [0, 'done', 4, 2, 2],
      );
      const { generations } = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
      const states = generations[0].workers.map((worker: { state: string; role?: string }) => [
        worker.state,
        worker.role,
      ]);
      assert.deepEqual(
        states,
        [
          ['up', undefined],
          ['up', undefined],
        ],
        'it waited for the end of both',
      );
      await proceed('two');
      await assertNothingLost();
    });
  });

describe('zero scale', () => {
  const start = (t: Scope, sections: PuppetSections = {}) =>
    startServing(t, { handover: QUICK, ...sections });

  it('lasts until the next reload, which uses the number in the config', DEADLINE, async (t) => {
    const service = await start(t);
    const { zero, puppets } = service;
    const scaling = startCommand(t, zero, ['scale', '2']);
    await nextReady(puppets);
    const { code, stdout } = await scaling.finished;
    assert.equal(code, 0);
    assert.match(stdout, /^generation 1 has 2 workers now \(before: 1\), after /);
    service.reload();
    await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 2 });
    const started = zero.log.all('service_starting', { generation: 2 });
    assert.deepEqual(
      started.map(({ workers }) => workers),
      [1],
    );
  });

  it('gives a new worker no connection before it is ready', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await start(t);
    const scaling = startCommand(t, zero, ['scale', '2', '--json']);
    const joining = await puppets.next();
    await joining.listen({ name: 'http' });
    const { steering } = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
    assert.deepEqual(steering.main, [0]);
    const { cursor } = zero;
    await becomeReady(joining);
    assert.equal((await scaling.finished).code, 0);
    assert.deepEqual((await zero.fact('steering_changed', {}, cursor)).main, [0, 1]);
    assert.deepEqual(zero.log.all('worker_signalled', { pid: incumbent.pid }), []);
  });

  it('fails with the reason when a new worker exits, and the others keep running', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await start(t);
    const scaling = startCommand(t, zero, ['scale', '3']);
    const first = await puppets.next();
    const second = await puppets.next();
    await first.listen({ name: 'http' });
    await becomeReady(first);
    await second.exit(7);
    const { code, stderr } = await scaling.finished;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /was not changed from 1 to 3 \(failed\): .*code 7\ngeneration 1 has 1 worker, as before/,
    );
    // The new worker that was ready retires.
    await zero.fact('worker_exited', { pid: first.pid, expected: true });
    assert.deepEqual(zero.log.all('steering_changed').at(-1)?.main, [0]);
    assert.deepEqual(zero.log.all('worker_signalled', { pid: incumbent.pid }), []);
  });

  it('is refused with the reason while a handover is in progress', DEADLINE, async (t) => {
    const service = await start(t);
    service.reload();
    await service.puppets.next();
    const result = await scale(t, service.zero, '2');
    assert.equal(result.code, 1);
    assert.match(result.failure.reason, /^handover 2 is in progress \(step starting\)/);
  });

  it('stops waiting after --timeout: unready new workers are stopped', DEADLINE, async (t) => {
    const { zero } = await start(t);
    const scaling = scale(t, zero, '2', '--timeout', '1s');
    // The deadline may pass before the new worker has connected to the test.
    const late = await zero.fact('worker_spawned', { worker: 1 });
    const { code, outcome, workers } = await scaling;
    assert.deepEqual([code, outcome, workers], [11, 'timed_out', 1]);
    await zero.fact('worker_exited', { pid: late.pid });
  });

  it('accepts numbers from 1 to 256', DEADLINE, async (t) => {
    const { zero } = await start(t);
    for (const workers of ['0', '257', 'many']) {
      const { code, stderr } = await command(t, zero, 'scale', workers);
      assert.equal(code, 2);
      assert.match(stderr, /must be a whole number from 1 to 256/);
    }
  });
});
