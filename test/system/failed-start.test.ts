import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startCommand } from '../support/command.ts';
import { type Deployed, startDeployed, startKept, variable } from '../support/deployed.ts';
import { nextReady } from '../support/puppet-service.ts';
import { reversed, type Scope } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** A release has served, and zero was stopped. */
async function served(t: Scope): Promise<Deployed> {
  const service = await startKept(t);
  service.zero.signal('SIGTERM');
  await service.zero.exited;
  return service;
}

describe('a start with a release that fails', () => {
  it('reports how to run the previous release, and that command does so', DEADLINE, async (test) => {
    const t = reversed(test);
    const { folder } = await served(t);
    const later = await startDeployed(t, {}, folder, '#!/bin/sh\nexit 3\n');
    const { message } = await later.zero.fact('warning', { about: 'rollback' });
    const [, advice = ''] =
      /To start that release, run: zero (rollback --to 1) --config \S+$/.exec(message) ?? [];
    assert.match(message, /^this release does not start, and generation 1 served before\./);
    const rolling = startCommand(t, later.zero, advice.split(' '));
    const back = await nextReady(later.puppets);
    assert.equal((await rolling.finished).code, 0);
    assert.equal(variable(back, 'VERSION'), '1');
    assert.equal(later.zero.log.all('warning', { about: 'rollback' }).length, 1);
  });

  it('reports the kept copy if zero exits', DEADLINE, async (test) => {
    const t = reversed(test);
    const { folder, script } = await served(t);
    const later = await startDeployed(t, {}, folder, null);
    assert.equal((await later.zero.exited).code, 1);
    const { message } = await later.zero.fact('warning', { about: 'rollback' });
    assert.match(
      message,
      /Its executable is kept\. To restore it, run: cp -p \/\S+\/executables\/\w+\/server \S+$/,
    );
    assert.ok(message.endsWith(script), message);
  });

  it('reports nothing if no other release has served', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startDeployed(t);
    for (let times = 0; times < 2; times += 1) await (await service.puppets.next()).exit(1);
    await nextReady(service.puppets);
    await service.zero.fact('generation_promoted', { generation: 1 });
    assert.deepEqual(service.zero.log.all('warning', { about: 'rollback' }), []);
  });
});
