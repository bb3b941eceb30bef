import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { whenEnded } from '../support/process-end.ts';
import { assertUntouched, nextReady, startServing } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const shell = (script: string, timeout?: string) => ({
  run: ['sh', '-c', script],
  ...(timeout === undefined ? {} : { timeout }),
});

describe('hooks', () => {
  it('receive the events in order, and their output is in the log', DEADLINE, async (t) => {
    const book = join(temporaryFolder(t), 'book');
    const note = shell(
      `echo "$ZERO_EVENT $ZERO_HANDOVER $ZERO_GENERATION $ZERO_INCUMBENT $ZERO_OUTCOME $ZERO_NAME" >> ${book}; basename "$ZERO_RELEASE"; id -u`,
    );
    const service = await startServing(t, {
      hooks: { before_reload: note, after_promote: note, after_rollback: note },
    });
    const { zero, puppets } = service;
    await zero.fact('hook_finished', { hook: 'after_promote', generation: 1 });
    const promoted = startCommand(t, zero, ['reload']);
    await nextReady(puppets);
    assert.equal((await promoted.finished).code, 0);
    const failed = startCommand(t, zero, ['reload']);
    await (await puppets.next()).exit(3);
    assert.equal((await failed.finished).code, 10);
    assert.deepEqual(readFileSync(book, 'utf8').trim().split('\n'), [
      'after_promote 1 1 1 promoted test',
      'before_reload 2 2 1  test',
      'after_promote 2 2 2 promoted test',
      'before_reload 3 3 2  test',
      'after_rollback 3 3 2 rolled_back test',
    ]);
    for (const { output, failure } of zero.log.all('hook_finished'))
      assert.deepEqual([output, failure], [['node', String(process.geteuid?.())], null]);
  });

  it('before a reload fail it before anything is started', DEADLINE, async (t) => {
    const hooks = { before_reload: shell('echo migration failed >&2; exit 9') };
    const service = await startServing(t, { hooks });
    const { code, stderr } = await command(t, service.zero, 'reload');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /generation 1 keeps serving\n {2}step {4}hook\.before_reload\n {2}reason {2}exited with code 9/,
    );
    assert.match(stderr, /\| migration failed\n/);
    assert.equal(service.zero.log.all('service_starting').length, 1);
    await assertUntouched(service, service.incumbent);
  });

  it('that hang are killed with all their children', DEADLINE, async (t) => {
    const pid = join(temporaryFolder(t), 'pid');
    const hooks = { before_reload: shell(`sleep 1000 & echo $! > ${pid}; wait`, '2s') };
    const service = await startServing(t, { hooks });
    const { code, stderr } = await command(t, service.zero, 'reload');
    assert.equal(code, 1);
    assert.match(stderr, /it was not finished after 2s and was killed/);
    await whenEnded(Number(readFileSync(pid, 'utf8')));
    await assertUntouched(service, service.incumbent);
  });

  it('that do not exist are detected before anything is changed', DEADLINE, async (t) => {
    const ran = join(temporaryFolder(t), 'ran');
    const service = await startServing(t, {});
    for (const [name, run] of [
      ['after_promote', ['no-such-command']],
      ['after_rollback', ['/no/such/hook']],
      ['after_promote', ['/etc/passwd']],
    ] as const) {
      service.rewrite({ hooks: { before_reload: shell(`touch ${ran}`), [name]: { run } } });
      const { code, stderr } = await command(t, service.zero, 'reload');
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`step {4}hook\\.${name}\\n {2}reason {2}command ${run[0]}: (ENOENT|EACCES)`),
      );
    }
    assert.equal(existsSync(ran), false);
    await assertUntouched(service, service.incumbent);
  });

  it(
    'after a promotion are reported in the verdict if they fail, and revert nothing',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, {});
      service.rewrite({ hooks: { after_promote: shell('echo cannot purge the cache; exit 4') } });
      const reloading = startCommand(t, service.zero, ['reload', '--json']);
      await nextReady(service.puppets);
      const { code, stdout } = await reloading.finished;
      const { outcome, failure, hook } = JSON.parse(stdout);
      assert.deepEqual([code, outcome, failure], [0, 'promoted', null]);
      assert.deepEqual(
        [hook.step, hook.reason, hook.output],
        ['hook.after_promote', 'exited with code 4', ['cannot purge the cache']],
      );
      await service.zero.fact('hook_finished', { hook: 'after_promote', generation: 2 });
    },
  );

  it('are ended by a stop, and the waiting caller is notified', DEADLINE, async (t) => {
    const service = await startServing(t, {});
    service.rewrite({ hooks: { before_reload: shell('exec sleep 1000') } });
    const reloading = startCommand(t, service.zero, ['reload']);
    await service.zero.fact('hook_started', { hook: 'before_reload' });
    assert.equal((await command(t, service.zero, 'stop')).code, 0);
    assert.equal((await reloading.finished).code, 12);
    assert.equal((await service.zero.exited).code, 0);
  });
});
