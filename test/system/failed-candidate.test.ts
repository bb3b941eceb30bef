import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { FactOf } from '../support/fact-log.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  nextReady,
  type PuppetSections,
  type PuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

type Failure = NonNullable<FactOf<'handover_finished'>['failure']>;

/** The verdict on the candidate of the first reload after the candidate's exit: rolled back, with the reason. */
async function rolledBack({ zero }: PuppetService): Promise<Failure> {
  const { outcome, generation, incumbent, failure } = await zero.fact('handover_finished', { handover: 2 });
  assert.deepEqual([outcome, generation, incumbent], ['rolled_back', 2, 1]);
  await zero.fact('generation_gone', { generation: 2 });
  assert.ok(failure);
  assert.equal(failure.generation, 2);
  assert.equal(failure.worker, 0);
  return failure;
}

/** Asserts that the next reload succeeds. */
async function assertNextReloadSucceeds(service: PuppetService, incumbent: Puppet): Promise<void> {
  await assertUntouched(service, incumbent);
  service.reload();
  const next = await nextReady(service.puppets);
  assert.equal(next.generation, 3);
  await service.zero.fact('handover_finished', { handover: 3, outcome: 'promoted', incumbent: 3 });
  await incumbent.gone;
}

async function say(puppet: Puppet, text: string): Promise<void> {
  await puppet.write(2, text);
}

describe('a candidate is rolled back, and the incumbent is unaffected, when it', () => {
  it('exits before it is ready', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.reload();
    const candidate = await service.puppets.next();
    await say(candidate, 'reading the config\nno such table: users\n');
    await candidate.exit(3);
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'exit');
    assert.equal(failure.reason, 'exited with code 3');
    assert.deepEqual(failure.exit, { kind: 'exited', code: 3 });
    assert.deepEqual(failure.output, ['reading the config', 'no such table: users']);
    assert.deepEqual(service.zero.log.all('worker_restarting'), []);
    await assertNextReloadSucceeds(service, service.incumbent);
  });

  it('is killed by a signal', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.reload();
    const candidate = await service.puppets.next();
    await candidate.die('SIGKILL');
    const failure = await rolledBack(service);
    assert.equal(failure.reason, 'was killed by SIGKILL');
    assert.deepEqual(failure.exit, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
    await assertUntouched(service, service.incumbent);
  });

  it('exits with code 0', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.reload();
    await (await service.puppets.next()).exit(0);
    assert.equal((await rolledBack(service)).reason, 'exited with code 0');
    await assertUntouched(service, service.incumbent);
  });

  it('passes its gates and exits before reload_uptime', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.rewrite({ options: { reload_uptime: '1h' } });
    service.reload();
    const candidate = await nextReady(service.puppets);
    await service.zero.fact('gate_passed', { generation: 2, gate: 'ready_fd' });
    await candidate.exit(1);
    assert.equal((await rolledBack(service)).step, 'exit');
    await assertUntouched(service, service.incumbent);
  });

  it('is not ready in time', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.rewrite({ readiness: { timeout: '3s' } });
    service.reload();
    const candidate = await service.puppets.next();
    await say(candidate, 'waiting for the database\n');
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'readiness.timeout');
    assert.match(failure.reason, /^worker 0 was not ready after 3(\.\d)?s: still waiting for ready_fd/);
    assert.match(failure.reason, /no line on descriptor 10/);
    assert.deepEqual(failure.output, ['waiting for the database']);
    const { waiting } = await service.zero.fact('worker_not_ready', { generation: 2 });
    assert.deepEqual(waiting, ['ready_fd']);
    await candidate.gone;
    await assertNextReloadSucceeds(service, service.incumbent);
  });

  it('closes its ready descriptor', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.reload();
    const candidate = await service.puppets.next();
    await candidate.closeFd(10);
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'readiness.ready_fd');
    assert.equal(failure.reason, 'closed descriptor 10 without writing a line');
    await candidate.gone;
    await assertUntouched(service, service.incumbent);
  });

  it('does not exit when it is asked to stop', DEADLINE, async (t) => {
    const service = await startServing(t);
    // Time in which the candidate reports its signal.
    service.rewrite({ options: { shutdown_timeout: '2s' } });
    service.reload();
    const candidate = await service.puppets.next();
    await candidate.onSignal('SIGTERM', 'report');
    await candidate.closeFd(10);
    await candidate.event('signal', { signal: 'SIGTERM' });
    await rolledBack(service);
    const { reason } = await service.zero.fact('worker_killed', { pid: candidate.pid });
    assert.equal(reason, 'it did not stop within 2s');
    await assertUntouched(service, service.incumbent);
  });

  it('writes more lines than a report holds', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.reload();
    const candidate = await service.puppets.next();
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
    await say(candidate, `${lines.join('\n')}\nand no newline`);
    await candidate.exit(1);
    const { output } = await rolledBack(service);
    assert.deepEqual(output, [...lines.slice(11), 'and no newline']);
  });
});

describe('a handover ends before anything is started, and the incumbent is unaffected, when', () => {
  async function assertRefused(service: PuppetService, step: string, reason: RegExp): Promise<void> {
    const finished = await service.zero.fact('handover_finished', { handover: 2 });
    assert.deepEqual([finished.outcome, finished.generation, finished.incumbent], ['failed', null, 1]);
    assert.equal(finished.failure?.step, step);
    assert.match(finished.failure.reason, reason);
    assert.equal(service.zero.log.all('worker_spawned').length, 1);
  }

  it('the config is invalid', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.rewrite({ options: { shutdown_timout: '1s', reload_uptime: 'soon' } });
    service.reload();
    await assertRefused(
      service,
      'config',
      /zero\.yaml:\d+:\d+: .*"soon" is not a duration.*; .*zero\.yaml:\d+:\d+: .*shutdown_timeout/,
    );
    service.rewrite({});
    service.reload();
    await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
  });

  it('the config is missing', DEADLINE, async (t) => {
    const service = await startServing(t);
    assert.ok(service.zero.config);
    rmSync(service.zero.config);
    service.reload();
    await assertRefused(service, 'config', /zero\.yaml.*(ENOENT|does not exist)/);
    await assertUntouched(service, service.incumbent);
  });

  const wrongExecutables: { what: string; make: (path: string) => void; reason: RegExp }[] = [
    { what: 'does not exist', make: () => {}, reason: /executable .*: ENOENT: it does not exist/ },
    { what: 'is not executable', make: (path) => writeFileSync(path, ''), reason: /executable .*: EACCES/ },
    { what: 'is a directory', make: (path) => mkdirSync(path), reason: /executable .*: EISDIR/ },
    {
      what: 'is a script without its interpreter',
      make(path) {
        writeFileSync(path, '#!/no/such/interpreter\n');
        chmodSync(path, 0o755);
      },
      reason: /\/no\/such\/interpreter/,
    },
  ];
  for (const { what, make, reason } of wrongExecutables) {
    it(`the executable ${what}`, DEADLINE, async (t) => {
      const path = join(temporaryFolder(t), 'service');
      make(path);
      const service = await startServing(t);
      service.rewrite({ runtime: { path } });
      service.reload();
      await assertRefused(service, 'release.path', reason);
      await assertUntouched(service, service.incumbent);
    });
  }

  const refusals: { what: string; sections: PuppetSections; step: string; reason: RegExp }[] = [
    {
      what: 'the directory does not exist',
      sections: { runtime: { directory: '/no/such/folder' } },
      step: 'release.directory',
      reason: /ENOENT/,
    },
    {
      what: 'the user does not exist',
      sections: { runtime: { user: 'nobody-has-this-name' } },
      step: 'release.user',
      reason: /user nobody-has-this-name does not exist/,
    },
    {
      what: 'the environment_file does not exist',
      sections: { runtime: { environment_file: '/no/such/file' } },
      step: 'release.environment_file',
      reason: /environment_file \/no\/such\/file: ENOENT/,
    },
  ];
  for (const { what, sections, step, reason } of refusals) {
    it(what, DEADLINE, async (t) => {
      const service = await startServing(t);
      service.rewrite(sections);
      service.reload();
      await assertRefused(service, step, reason);
      await assertUntouched(service, service.incumbent);
    });
  }

  it('the file cannot be executed', DEADLINE, async (t) => {
    const path = join(temporaryFolder(t), 'service');
    writeFileSync(path, 'MZ, but no program for this machine');
    chmodSync(path, 0o755);
    const service = await startServing(t);
    service.rewrite({ runtime: { path } });
    service.reload();
    const failure = await service.zero.fact('handover_finished', { handover: 2 });
    assert.notEqual(failure.outcome, 'promoted');
    await assertUntouched(service, service.incumbent);
  });
});
