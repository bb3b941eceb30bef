import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { StatusDocument } from '../../src/control/protocol.ts';
import { command } from '../support/command.ts';
import { type Deployed, startDeployed, startKept, variable } from '../support/deployed.ts';
import { account, requireRoot } from '../support/privileges.ts';
import type { Puppet } from '../support/puppet.ts';
import { nextReady, startServing } from '../support/puppet-service.ts';
import { reversed, type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

/** Ends the process by a crash, and waits for the next one. */
async function crash({ puppets }: Pick<Deployed, 'puppets'>, puppet: Puppet): Promise<Puppet> {
  await puppet.die('SIGKILL');
  return nextReady(puppets);
}

async function changeInStatus(
  t: Scope,
  zero: Zero,
): Promise<StatusDocument['generations'][number]['executable_changed']> {
  const { stdout } = await command(t, zero, 'status', '--json');
  const status: StatusDocument = JSON.parse(stdout);
  return status.generations.find(({ stage }) => stage === 'serving')?.executable_changed;
}

describe('a worker that crashes after its file was overwritten', () => {
  it(
    'is restarted from the kept copy, any number of times, until the next reload',
    DEADLINE,
    async (test) => {
      const t = reversed(test);
      const service = await startKept(t);
      const { zero, script, first } = service;
      service.deploy('2');
      assert.equal(await changeInStatus(t, zero), undefined);
      const again = await crash(service, first);
      const more = await crash(service, again);
      assert.deepEqual(
        [again, more].map((puppet) => [puppet.generation, variable(puppet, 'VERSION')]),
        [
          [1, '1'],
          [1, '1'],
        ],
      );
      const [event, ...others] = zero.log.all('executable_changed');
      assert.deepEqual([event?.generation, event?.runs, others], [1, 'copy', []]);
      assert.equal(event?.reason, `${script} was replaced`);
      assert.equal((await changeInStatus(t, zero))?.runs, 'copy');
      const { stdout } = await command(t, zero, 'status');
      assert.match(stdout.replaceAll(/\n +/g, ' '), /was replaced: restarted workers run the kept copy/);

      zero.signal('SIGHUP');
      const second = await nextReady(service.puppets);
      await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
      assert.equal(variable(second, 'VERSION'), '2');
      assert.equal(await changeInStatus(t, zero), undefined);
    },
  );

  it('runs the copy as the user of the service', DEADLINE, async (test) => {
    const t = reversed(test);
    if (!requireRoot(test, 'only root can change the user')) return;
    const folder = temporaryFolder(t);
    chmodSync(folder, 0o711);
    const service = await startDeployed(t, { runtime: { user: 'nobody' } }, folder);
    const first = await nextReady(service.puppets);
    await service.zero.fact('executable_kept', { generation: 1 });
    service.deploy('2');
    const again = await crash(service, first);
    assert.deepEqual([variable(again, 'VERSION'), again.announcement.uid], ['1', account('nobody').uid]);
  });

  it('runs the file on disk if that user may not reach the copy', DEADLINE, async (test) => {
    const t = reversed(test);
    if (!requireRoot(test, 'only root can change the user')) return;
    const folder = temporaryFolder(t);
    chmodSync(folder, 0o711);
    const service = await startDeployed(t, { runtime: { user: 'nobody' } }, folder);
    const first = await nextReady(service.puppets);
    await service.zero.fact('executable_kept', { generation: 1 });
    chmodSync(join(folder, 'data'), 0o700);
    service.deploy('2');
    const again = await crash(service, first);
    assert.equal(variable(again, 'VERSION'), '2');
    const { runs, reason } = await service.zero.fact('executable_changed');
    assert.equal(runs, 'file');
    assert.match(reason, /was replaced, and its copy .* cannot be used: .*EACCES/);
  });

  it('runs the file on disk if the copy lacks a file next to the script', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startKept(t);
    const { zero, script, folder, puppets } = service;
    // This release loads a module from its own directory.
    const needy = (version: string) => {
      const program = puppets.command.map((part) => `'${part}'`).join(' ');
      writeFileSync(
        `${script}.new`,
        `#!/bin/sh\nVERSION=${version}\nexport VERSION\n. "$(dirname "$0")/part" || exit 1\nexec ${program} "$@"\n`,
        { mode: 0o755 },
      );
      renameSync(`${script}.new`, script);
    };
    writeFileSync(join(folder, 'part'), '');
    needy('2');
    zero.signal('SIGHUP');
    const second = await nextReady(puppets);
    await zero.fact('executable_kept', { generation: 2 });
    needy('3');
    // The copy exits immediately, and the file is started instead.
    const again = await crash(service, second);
    assert.deepEqual([again.generation, variable(again, 'VERSION')], [2, '3']);
    assert.deepEqual(
      zero.log.all('executable_changed').map(({ runs }) => runs),
      ['copy', 'file'],
    );
    const { reason } = await zero.fact('executable_changed', { runs: 'file' });
    assert.match(reason, /was replaced, and its copy .* did not become ready/);
  });
});

it(
  'a crash of an interpreted program that was edited runs the file on disk, and zero reports it',
  DEADLINE,
  async (test) => {
    const t = reversed(test);
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    const [, script] = puppets.command;
    appendFileSync(script, '\n// The next release.\n');
    const again = await crash({ puppets }, incumbent);
    await crash({ puppets }, again);
    assert.deepEqual(
      zero.log.all('executable_changed').map(({ generation, runs, reason }) => [generation, runs, reason]),
      [[1, 'file', `${script} was replaced`]],
    );
    assert.deepEqual((await changeInStatus(t, zero))?.runs, 'file');
  },
);

it('a crash restarts the release that the hook has built', DEADLINE, async (test) => {
  const t = reversed(test);
  const folder = temporaryFolder(t);
  const build = join(folder, 'built');
  const script = join(folder, 'server');
  const hooks = {
    before_reload: { run: ['sh', '-c', `cp -p ${build} ${script}.new && mv ${script}.new ${script}`] },
  };
  const service = await startDeployed(t, { hooks }, folder);
  const { zero, puppets } = service;
  await nextReady(puppets);
  await zero.fact('executable_kept', { generation: 1 });
  service.deploy('2');
  renameSync(script, build);
  // Until the hook has run, the old release is on disk.
  service.deploy('1');
  zero.signal('SIGHUP');
  const second = await nextReady(puppets);
  await zero.fact('executable_kept', { generation: 2 });
  const again = await crash(service, second);
  assert.deepEqual([variable(second, 'VERSION'), variable(again, 'VERSION')], ['2', '2']);
  assert.deepEqual(zero.log.all('executable_changed'), []);
  assert.deepEqual(zero.log.all('warning', { about: 'history' }), []);
});
