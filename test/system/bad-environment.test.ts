import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { limitDescriptors, nextDescriptor, openDescriptors } from '../support/open-files.ts';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { whenEnded } from '../support/process-end.ts';
import { nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { DEADLINE, startZero } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

describe('a supervisor without descriptors', () => {
  it('fails each reload with one error, keeps none, and succeeds once it has enough', DEADLINE, async (t) => {
    const zero = startZero(t, {
      config: {
        service: {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: {
            path: process.execPath,
            args: [fixture('graceful.js')],
            environment: environmentList({}),
          },
          options: { reload_uptime: '0s' },
        },
      },
    });
    await zero.fact('generation_promoted', { generation: 1 });
    const address = await zero.address('http');
    const incumbent = await whoAnswers(address);
    const open = openDescriptors(zero.pid);
    const first = nextDescriptor(zero.pid);
    // One more each time, so that every step of a handover is once the one that has none.
    for (let limit = first, failed = true; failed; limit += 1) {
      assert.ok(limit < first + 60, 'no limit is enough');
      limitDescriptors(zero.pid, limit);
      const from = zero.cursor;
      zero.signal('SIGHUP');
      const { outcome, failure } = await zero.fact('handover_finished', {}, from);
      failed = outcome !== 'promoted';
      if (!failed) break;
      assert.match(failure?.reason ?? '', /EMFILE.*raise its nofile limit$/);
      assert.equal(complaints(zero, ['error'], from).length, 1);
      assert.deepEqual(openDescriptors(zero.pid), open);
      assert.deepEqual(await whoAnswers(address), incumbent);
    }
    limitDescriptors(zero.pid, 'hard');
    await zero.fact('generation_gone', { generation: 1 });
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('starts a service that crashes again as soon as it has some', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t);
    const child = await incumbent.fork('new', true);
    const address = await zero.address('http');
    // Those that the crash itself sets free are not enough.
    limitDescriptors(zero.pid, nextDescriptor(zero.pid));
    await incumbent.die('SIGKILL');
    await zero.fact('worker_exited', { pid: incumbent.pid });
    const client = whoAnswers(address);
    const { reason } = await zero.fact('worker_spawn_failed');
    assert.match(reason, /EMFILE.*raise its nofile limit$/);
    // What the crash left behind was found and killed all the same.
    const { pids } = await zero.fact('leftovers_killed');
    assert.ok(pids.includes(child));
    limitDescriptors(zero.pid, 'hard');
    const successor = await nextReady(puppets);
    assert.equal((await client).pid, successor.pid);
  });

  it(
    'says that a MAINPID cannot be followed, and stops the service with all its session',
    DEADLINE,
    async (t) => {
      const { zero, puppets, incumbent } = await startServing(t, { options: { shutdown_timeout: '100ms' } });
      await incumbent.onSignal('SIGTERM', 'report');
      const pid = await incumbent.successor();
      const successor = await puppets.next();
      await successor.onSignal('SIGTERM', 'report');
      limitDescriptors(zero.pid, 5);
      await incumbent.notify(`MAINPID=${pid}`);
      const { message } = await zero.fact('warning', { about: 'notify' });
      assert.match(message, new RegExp(`MAINPID=${pid} cannot be followed: .*EMFILE`));
      const ends = [whenEnded(pid), whenEnded(await incumbent.fork('same', true))];
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      await Promise.all(ends);
    },
  );

  it('does not start, and says which', DEADLINE, async (t) => {
    // Enough for Node itself, which ends by a signal without.
    for (const limit of [22, 24, 26, 28]) {
      const zero = startZero(t, {
        config: {
          service: {
            listeners: [{ name: 'http', address: '127.0.0.1:0' }],
            runtime: { path: '/bin/sh', args: ['-c', 'exec sleep 1000'] },
          },
        },
        command: ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...ZERO_COMMAND],
      });
      console.error(limit, await zero.exited, zero.log.text);
    }
  });
});
