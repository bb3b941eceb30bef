import assert from 'node:assert/strict';
import { chownSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { installZero } from '../support/installed.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { becomeReady, startPuppetService } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, type ZeroOptions } from '../support/zero.ts';

/** A service that reports SIGUSR1. The config lists the signal, so zero forwards it after it has reopened its log. */
async function startLogging(test: TestContext, file: string, options: Omit<ZeroOptions, 'config'> = {}) {
  const { zero, puppets } = await startPuppetService(
    test,
    { application: { logging: { file } }, runtime: { forward_signals: ['SIGUSR1'] } },
    options,
  );
  const puppet = await puppets.next();
  await puppet.onSignal('SIGUSR1', 'report');
  await puppet.listen({ name: 'http' });
  await becomeReady(puppet);
  /** Resolves when zero has reopened its log. */
  const reopen = async (): Promise<void> => {
    const { cursor } = puppet;
    zero.signal('SIGUSR1');
    await puppet.event('signal', { signal: 'SIGUSR1' }, cursor);
  };
  return { zero, puppet, reopen };
}

const eventsIn = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).event);

describe('a log file that cannot be reopened after its rotation', () => {
  it('is replaced by standard error until it can be reopened', DEADLINE, async (t) => {
    const folder = join(temporaryFolder(t), 'log');
    mkdirSync(folder);
    const file = join(folder, 'zero.log');
    const { zero, puppet, reopen } = await startLogging(t, file);
    renameSync(folder, `${folder}.away`);
    await reopen();
    const { message } = await zero.fact('error', { step: 'logging' });
    assert.ok(message.startsWith(`open log file ${file}: ENOENT: its directory does not exist. `), message);
    await puppet.die('SIGKILL');
    await zero.fact('worker_exited', { pid: puppet.pid });
    renameSync(`${folder}.away`, folder);
    renameSync(file, `${file}.1`);
    zero.signal('SIGUSR1');
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    assert.equal(eventsIn(`${file}.1`)[0], 'supervisor_started');
    assert.equal(eventsIn(file).at(-1), 'supervisor_stopped');
    // Every event is in one of the two, exactly once.
    const seen = [...eventsIn(`${file}.1`), ...zero.log.facts.map(({ event }) => event), ...eventsIn(file)];
    for (const event of [
      'supervisor_started',
      'worker_ready',
      'worker_restarting',
      'stop_requested',
      'supervisor_stopped',
    ]) {
      assert.equal(seen.filter((one) => one === event).length, 1, event);
    }
  });

  it('is replaced too if this user has lost the permission', DEADLINE, async (t) => {
    if (!requireRoot(t, 'another user runs zero')) return;
    const nobody = account('nobody');
    const folder = sharedFolder(t);
    chownSync(folder, nobody.uid, nobody.gid);
    const file = join(folder, 'zero.log');
    const { command } = installZero(t);
    const { zero, reopen } = await startLogging(t, file, {
      folder,
      command: [...asAccount(nobody), ...command],
    });
    renameSync(file, `${file}.1`);
    chownSync(folder, 0, 0);
    await reopen();
    const { message } = await zero.fact('error', { step: 'logging' });
    assert.ok(message.startsWith(`open log file ${file}: EACCES: this user may not write to it`), message);
    zero.signal('SIGTERM');
    await zero.fact('supervisor_stopped');
  });
});

describe('a log to journald', () => {
  it('has a priority prefix on each line of zero, and none on lines of the service', DEADLINE, async (t) => {
    const script = 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"';
    const { zero, puppets } = await startPuppetService(
      t,
      { application: { logging: { format: 'human' } } },
      { command: ['sh', '-c', script, 'sh', ...ZERO_COMMAND] },
    );
    const puppet = await puppets.next();
    await puppet.write(2, '<3>of the service\nno priority\n');
    await puppet.exit(1);
    await puppets.next();
    zero.signal('SIGTERM');
    await zero.exited;
    await assert.rejects(zero.fact('supervisor_stopped'));
    const lines = zero.log.text.split('\n');
    assert.ok(lines.includes('<3>of the service') && lines.includes('no priority'), zero.log.text);
    const own = lines.filter((line) => /\d\d:\d\d:\d\d\.\d{3} /.test(line));
    assert.ok(own.length > 5);
    for (const line of own) assert.match(line, /^<[3467]>\d\d:/);
    const priorityOf = (text: string) => own.find((line) => line.includes(text))?.slice(0, 3);
    assert.equal(priorityOf('worker exited unexpectedly'), '<4>');
    assert.equal(priorityOf('worker spawned'), '<6>');
    assert.equal(priorityOf('worker signalled'), '<7>');
  });
});
