import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { whenEnded } from '../support/process-end.ts';
import { identify, isRunning } from '../support/processes.ts';
import {
  assertUntouched,
  nextReady,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const FOREGROUND = 'its main process exited and left a daemon running. Run the service in the foreground';

/** The remaining processes that were killed after their worker, and when, by the clock of the log. */
async function killedLeftovers(
  zero: Zero,
  generation: number,
): Promise<{ pids: readonly number[]; at: number }> {
  const killed = await zero.fact('leftovers_killed', { generation });
  return { pids: killed.pids, at: timeOf(killed) };
}

const timeOf = (fact: object | undefined): number => Date.parse(Reflect.get(fact ?? {}, 'time'));

describe('a service that daemonises', () => {
  it(
    'is advised to run in the foreground, and its daemon is ended before the next attempt',
    DEADLINE,
    async (t) => {
      const { zero, puppets } = await startPuppetService(t, { restart: { policy: 'never' } });
      const puppet = await puppets.next();
      const started = Date.now();
      const daemon = await puppet.daemonise();
      const gone = whenEnded(daemon);
      const { failure } = await zero.fact('handover_finished', { outcome: 'failed' });
      assert.deepEqual([failure?.step, failure?.reason], ['exit', FOREGROUND]);
      const { pids, at } = await killedLeftovers(zero, 1);
      assert.deepEqual(pids, [daemon]);
      assert.ok(at - started >= 2_000, `${at - started} ms`);
      await gone;
      // The exit code of a failed service is not 0.
      assert.deepEqual(await zero.exited, { code: 1, signal: null });
    },
  );

  it('is rolled back as a candidate', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    service.reload();
    const daemon = await (await puppets.next()).daemonise();
    const { outcome, failure } = await zero.fact('handover_finished', { handover: 2 });
    assert.deepEqual([outcome, failure?.step, failure?.reason], ['rolled_back', 'exit', FOREGROUND]);
    assert.deepEqual((await killedLeftovers(zero, 2)).pids, [daemon]);
    await zero.fact('generation_gone', { generation: 2 });
    await assertUntouched(service, incumbent);
  });
});

describe('a child that remains after its service', () => {
  for (const session of ['same', 'new'] as const) {
    it(`in the ${session} session is killed after 2 s when the service has crashed`, DEADLINE, async (t) => {
      const { zero, puppets, incumbent } = await startServing(t);
      const child = await incumbent.fork(session, true);
      const started = Date.now();
      await incumbent.die('SIGSEGV');
      const successor = await nextReady(puppets);
      const { pids, at } = await killedLeftovers(zero, 1);
      assert.ok(pids.includes(child));
      assert.ok(at - started >= 2_000, `${at - started} ms`);
      assert.equal((await whoAnswers(await zero.address('http'))).pid, successor.pid);
    });

    it(
      `in the ${session} session is killed after shutdown_timeout when the service was replaced`,
      DEADLINE,
      async (t) => {
        const service = await startServing(t, { options: { shutdown_timeout: '4s' } });
        const { zero, puppets, incumbent } = service;
        const child = await incumbent.fork(session, true);
        service.reload();
        const successor = await nextReady(puppets);
        const { pids, at } = await killedLeftovers(zero, 1);
        assert.ok(pids.includes(child));
        const [signalled] = zero.log.all('worker_signalled', { generation: 1 });
        const [exited] = zero.log.all('worker_exited', { generation: 1 });
        assert.ok(at - timeOf(signalled) >= 3_990, `${at - timeOf(signalled)} ms`);
        assert.ok(at - timeOf(exited) > 2_500, `${at - timeOf(exited)} ms`);
        await zero.fact('generation_gone', { generation: 1 });
        assert.equal((await whoAnswers(await zero.address('http'))).pid, successor.pid);
        assert.deepEqual(
          complaints(zero).map(({ event }) => event),
          ['leftovers_killed'],
        );
      },
    );
  }

  it('is not killed if it exits in time', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    const child = await incumbent.fork('same');
    service.reload();
    await nextReady(puppets);
    await zero.fact('worker_exited', { generation: 1 });
    process.kill(child, 'SIGTERM');
    await zero.fact('generation_gone', { generation: 1 });
    assert.deepEqual(complaints(zero), []);
  });

  it('is killed immediately when zero stops immediately', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    const children = [await incumbent.fork('same', true), await incumbent.fork('new', true)];
    const gone = children.map(whenEnded);
    zero.signal('SIGQUIT');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    await Promise.all(gone);
  });

  it('of another generation is not killed with it', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { shutdown_timeout: '2s' } });
    const { zero, puppets, incumbent } = service;
    const old = await incumbent.fork('new', true);
    service.reload();
    const successor = await nextReady(puppets);
    const kept = await successor.fork('new', true);
    const known = identify(kept);
    await zero.fact('generation_gone', { generation: 1 });
    const [killed, ...more] = zero.log.all('leftovers_killed');
    assert.ok(killed?.pids.includes(old));
    assert.deepEqual(more, []);
    assert.ok(known !== null && isRunning(known));
  });
});
