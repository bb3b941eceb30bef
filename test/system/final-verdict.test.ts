import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import type { Puppet } from '../support/puppet.ts';
import { assertUntouched, nextReady, startPuppetService, startServing } from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { sendRequest, type WaitingRequest } from '../support/waiting-request.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const STEERED = { mode: 'steered', settle: '1s', drain_timeout: '1h' };
const LONG_BACKOFF = { backoff: { initial: '1h', max: '1h' } };

/**
 * Sends a request that the worker answers only when the test allows it. Its connection is busy, so zero does not ask
 * the worker to stop.
 */
async function keepBusy(scope: Scope, zero: Zero, worker: Puppet): Promise<WaitingRequest> {
  await worker.behave({ hold: true });
  const request = await sendRequest(scope, await zero.address('http'));
  await worker.event('request');
  return request;
}

describe('zero reload without a soak', () => {
  it('exits with 10 when the new worker dies before the old one was asked to stop', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...STEERED, settle: '1h' } });
    const { zero, puppets, incumbent } = service;
    const reloading = startCommand(t, zero, ['reload']);
    const candidate = await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    await candidate.exit(7);
    const { code, stdout, stderr } = await reloading.finished;
    assert.deepEqual([code, stdout], [10, '']);
    assert.match(stderr, /^handover 2 rolled back after .*: generation 1 keeps serving\n {2}step {4}exit\n/);
    assert.match(stderr, /reason {2}exited with code 7\n/);
    await zero.fact('generation_rolled_back', { generation: 2, incumbent: 1 });
    await zero.fact('generation_gone', { generation: 2 });
    await assertUntouched(service, incumbent);
  });

  it('exits with 0 only when the old worker was asked to stop', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { handover: STEERED });
    const request = await keepBusy(t, zero, incumbent);
    let exited = false;
    const reloading = startCommand(t, zero, ['reload']);
    void reloading.finished.then(() => {
      exited = true;
    });
    await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    assert.equal((await command(t, zero, 'status')).code, 0);
    assert.equal(exited, false);
    assert.deepEqual(zero.log.all('worker_signalled'), []);
    await incumbent.answer();
    assert.equal((await request.answer).pid, incumbent.pid);
    await incumbent.event('signal', { signal: 'SIGTERM' });
    const { code, stdout } = await reloading.finished;
    assert.equal(code, 0);
    assert.match(stdout, /^handover 2 promoted after .*: generation 2 serves\n$/);
  });

  it('exits with 13 when --timeout expires before the old worker was asked to stop', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: { ...STEERED, settle: '1h' } });
    const reloading = startCommand(t, zero, ['reload', '--timeout', '3s']);
    await nextReady(puppets);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 13);
    assert.match(
      stderr,
      /--timeout 3s expired\. Generation 2 is promoted, but generation 1 has not been asked to stop yet\.\n/,
    );
    assert.deepEqual(
      zero.log.all('handover_finished', { handover: 2 }).map(({ outcome }) => outcome),
      ['promoted'],
    );
  });
});

describe('zero abort after a promotion', () => {
  it('returns to the old worker as long as it was not asked to stop', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { handover: STEERED });
    const request = await keepBusy(t, zero, incumbent);
    const reloading = startCommand(t, zero, ['reload']);
    await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    const { code, stderr } = await command(t, zero, 'abort');
    assert.deepEqual([code, stderr], [0, '']);
    const aborted = await reloading.finished;
    assert.equal(aborted.code, 12);
    assert.match(aborted.stderr, /^handover 2 aborted after .*: generation 1 keeps serving\n/);
    assert.match(aborted.stderr, /reason {2}aborted by zero abort\n/);
    await zero.fact('generation_rolled_back', { generation: 2, incumbent: 1 });
    await zero.fact('generation_gone', { generation: 2 });
    await incumbent.answer();
    assert.equal((await request.answer).pid, incumbent.pid);
    await incumbent.behave({ hold: false });
    const next = await sendRequest(t, await zero.address('http'));
    assert.equal((await next.answer).pid, incumbent.pid);
    assert.deepEqual(zero.log.all('worker_signalled', { pid: incumbent.pid }), []);
    const again = await command(t, zero, 'abort');
    assert.deepEqual([again.code, again.stderr], [1, 'zero abort: no handover is in progress\n']);
  });

  it('does nothing once the old worker was asked to stop', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: STEERED });
    const reloading = startCommand(t, zero, ['reload']);
    await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    const { code, stderr } = await command(t, zero, 'abort');
    assert.deepEqual([code, stderr], [1, 'zero abort: no handover is in progress\n']);
  });
});

describe('a verdict while nothing serves', () => {
  it('reports the first generation that is retried', DEADLINE, async (t) => {
    const { zero, puppets } = await startPuppetService(t, { restart: LONG_BACKOFF });
    await (await puppets.next()).exit(1);
    await zero.fact('worker_restarting', { generation: 1 });
    const reloading = startCommand(t, zero, ['reload']);
    await (await puppets.nextOf(2)).exit(3);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^handover 2 failed after .*: nothing serves: generation 2 is started again in (1h|59m\S+)\n/,
    );
  });

  it('reports the incumbent that is retried', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { restart: LONG_BACKOFF });
    await incumbent.die();
    await zero.fact('worker_restarting', { generation: 1 });
    const reloading = startCommand(t, zero, ['reload']);
    await (await puppets.nextOf(2)).exit(3);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 10);
    assert.match(
      stderr,
      /^handover 2 rolled back after .*: nothing serves: generation 1 is started again in (1h|59m\S+)\n/,
    );
  });
});

describe('a handover without a candidate', () => {
  it(
    'is reported with its step by promote, and ends by abort: it waits for older generations',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { handover: { ...STEERED, max_retiring: 1 } });
      const { zero, puppets, incumbent } = service;
      const request = await keepBusy(t, zero, incumbent);
      service.reload();
      await nextReady(puppets);
      await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
      const reloading = startCommand(t, zero, ['reload']);
      await zero.fact('handover_step', { handover: 3, step: 'waiting' });
      const promoted = await command(t, zero, 'promote');
      assert.deepEqual(
        [promoted.code, promoted.stderr],
        [1, 'zero promote: handover 3 has no candidate yet (step waiting)\n'],
      );
      assert.equal((await command(t, zero, 'abort')).code, 0);
      assert.equal((await reloading.finished).code, 12);
      await incumbent.answer();
      assert.equal((await request.answer).pid, incumbent.pid);
    },
  );

  it('is reported with its step by promote, and ends by abort: its hook runs', DEADLINE, async (t) => {
    const hooks = { before_reload: { run: ['sleep', '1000'] } };
    const service = await startServing(t, { hooks });
    const { zero, incumbent } = service;
    const reloading = startCommand(t, zero, ['reload']);
    await zero.fact('hook_started');
    const promoted = await command(t, zero, 'promote');
    assert.deepEqual(
      [promoted.code, promoted.stderr],
      [1, 'zero promote: handover 2 has no candidate yet (step before_reload)\n'],
    );
    assert.equal((await command(t, zero, 'abort')).code, 0);
    assert.equal((await reloading.finished).code, 12);
    await zero.fact('hook_finished', ({ failure }) => /aborted by zero abort/.test(failure?.reason ?? ''));
    await assertUntouched(service, incumbent);
  });
});
