import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertUntouched,
  nextReady,
  puppetConfig,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { startPuppets } from '../support/puppets.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

describe('two supervisors with one name', () => {
  it('the second one reports the first one and exits, and the first one continues', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    const second = startZero(t, { config: puppetConfig(puppets), folder: zero.folder });
    assert.deepEqual(await second.exited, { code: 1, signal: null });
    await assert.rejects(
      second.fact('supervisor_started'),
      new RegExp(
        `another zero \\(pid ${zero.pid}\\) runs as "test".*: stop it, or give this one another runtime\\.name`,
      ),
    );
    await assertUntouched(service, incumbent);
    service.reload();
    await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });

  it('are independent if they run one after the other', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const puppets = await startPuppets(t);
    for (let round = 0; round < 2; round += 1) {
      const zero = startZero(t, { config: puppetConfig(puppets), folder });
      const puppet = await nextReady(puppets);
      await zero.fact('generation_promoted', { generation: round + 1 });
      zero.signal('SIGTERM');
      await puppet.gone;
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    }
  });
});

describe('a supervisor that is killed', () => {
  it('leaves its service running, serving and able to write', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    const address = await zero.address('http');
    const expected = { generation: 1, pid: incumbent.pid };
    assert.deepEqual(await whoAnswers(address), expected);
    process.kill(zero.pid, 'SIGKILL');
    assert.deepEqual(await zero.exited, { code: null, signal: 'SIGKILL' });
    for (const stream of ['stdout', 'stderr'] as const) await incumbent.output(stream, 200_000);
    assert.deepEqual(await whoAnswers(address), expected);
    assert.equal((await incumbent.look()).pid, incumbent.pid);
    assert.equal(incumbent.cursor, 0);
  });

  it('leaves its service able to stop on a signal', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    process.kill(zero.pid, 'SIGKILL');
    await zero.exited;
    process.kill(incumbent.pid, 'SIGTERM');
    await incumbent.event('signal', { signal: 'SIGTERM' });
    await incumbent.gone;
  });
});
