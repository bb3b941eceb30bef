import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { limitDescriptors, nextDescriptor, openDescriptors } from '../support/open-files.ts';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { whenEnded } from '../support/process-end.ts';
import { nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { DEADLINE, type Exit, startZero, type Zero } from '../support/zero.ts';
import { environmentList, type RawConfig } from '../support/zero-config.ts';

/** A service that is promoted immediately. */
function simpleService(path: string, ...args: string[]): RawConfig {
  return {
    service: {
      listeners: [{ name: 'http', address: '127.0.0.1:0' }],
      runtime: { path, args, environment: environmentList({}) },
      options: { reload_uptime: '0s' },
    },
  };
}

/** The exit of zero, or null once its first generation serves. */
async function startedOrExited(zero: Zero): Promise<Exit | null> {
  const promoted = zero.fact('generation_promoted').then(
    () => null,
    () => zero.exited,
  );
  return Promise.race([promoted, zero.exited]);
}

describe('a supervisor without free descriptors', () => {
  it('fails each reload with one error, leaks none, and succeeds once it has enough', DEADLINE, async (t) => {
    const zero = startZero(t, { config: simpleService(process.execPath, fixture('graceful.js')) });
    await zero.fact('generation_promoted', { generation: 1 });
    const address = await zero.address('http');
    const incumbent = await whoAnswers(address);
    const open = openDescriptors(zero.pid);
    const first = nextDescriptor(zero.pid);
    let promoted = false;
    // With one more descriptor each time, every step of a handover fails once for lack of one.
    for (let limit = first; !promoted; limit += 1) {
      assert.ok(limit < first + 60, 'no limit is enough');
      limitDescriptors(zero.pid, limit);
      const from = zero.cursor;
      zero.signal('SIGHUP');
      const { outcome, failure } = await zero.fact('handover_finished', {}, from);
      promoted = outcome === 'promoted';
      if (promoted) break;
      assert.match(failure?.reason ?? '', /EMFILE.*Raise its nofile limit$/);
      assert.equal(complaints(zero, ['error'], from).length, 1);
      assert.deepEqual(openDescriptors(zero.pid), open);
      assert.deepEqual(await whoAnswers(address), incumbent);
    }
    limitDescriptors(zero.pid, 'hard');
    await zero.fact('generation_gone', { generation: 1 });
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('restarts a crashed service as soon as it has some', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t);
    const child = await incumbent.fork('new', true);
    const address = await zero.address('http');
    // The descriptors that the crash itself frees are not enough.
    limitDescriptors(zero.pid, nextDescriptor(zero.pid));
    await incumbent.die('SIGKILL');
    await zero.fact('worker_exited', { pid: incumbent.pid });
    const client = whoAnswers(address);
    const { reason } = await zero.fact('worker_spawn_failed');
    assert.match(reason, /EMFILE.*Raise its nofile limit$/);
    // The remaining processes of the crash were still found and killed.
    const { pids } = await zero.fact('leftovers_killed');
    assert.ok(pids.includes(child));
    limitDescriptors(zero.pid, 'hard');
    const successor = await nextReady(puppets);
    assert.equal((await client).pid, successor.pid);
  });

  it(
    'reports that a MAINPID cannot be followed, and kills all sessions if necessary',
    DEADLINE,
    async (t) => {
      const service = await startServing(t);
      const { zero, puppets, incumbent } = service;
      // An old generation that keeps running holds the descriptors that were free before.
      await incumbent.onSignal('SIGTERM', 'report');
      service.reload();
      const serving = await nextReady(puppets);
      await incumbent.event('signal');
      const pid = await serving.successor();
      await puppets.next();
      limitDescriptors(zero.pid, nextDescriptor(zero.pid));
      await serving.notify(`MAINPID=${pid}`);
      const { message } = await zero.fact('warning', { about: 'notify' });
      assert.match(message, new RegExp(`MAINPID=${pid} cannot be followed: .*EMFILE`));
      const ends = [whenEnded(pid), whenEnded(await incumbent.fork('same', true))];
      zero.signal('SIGQUIT');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      await Promise.all(ends);
    },
  );

  it('does not start, and reports the failed step', DEADLINE, async (t) => {
    for (let limit = 16, exit: Exit | null; ; limit += 1) {
      assert.ok(limit < 60, 'no limit is enough');
      const zero = startZero(t, {
        config: simpleService('/bin/sh', '-c', 'exec sleep 1000'),
        command: ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...ZERO_COMMAND],
      });
      exit = await startedOrExited(zero);
      if (exit === null) break;
      // Node aborts without a descriptor for its event loop, and cannot read the program with one fewer than it needs
      // for that.
      if (exit.signal !== null || zero.log.text.includes('node:internal/modules')) continue;
      assert.equal(exit.code, 1, zero.log.text);
      const [error = zero.log.text, ...more] = complaints(zero, ['error'])
        .filter(({ event }) => event !== 'supervisor_stopped')
        .map((fact) => JSON.stringify(fact));
      assert.match(error, /EMFILE: /);
      assert.deepEqual(more, []);
    }
  });
});
