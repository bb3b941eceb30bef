import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from '../support/command.ts';
import { complaints } from '../support/complaints.ts';
import { startLoad } from '../support/load.ts';
import { nextReady, type PuppetSections, startServing, whoAnswers } from '../support/puppet-service.ts';
import { startSurvivor, supervisorPid } from '../support/survivor.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

/** A runtime directory that the test may delete. */
function placed(folder: string): PuppetSections & { readonly directory: string } {
  const directory = join(folder, 'runtime', 'web');
  const application = { runtime_directory: directory, data_directory: join(folder, 'data') };
  return { directory, application };
}

/** Retries while another process writes to the directory. */
function remove(directory: string): void {
  rmSync(directory, { recursive: true, maxRetries: 10 });
}

/** Waits until the directory is created again. */
async function restored(zero: Zero, from: number): Promise<void> {
  const { message } = await zero.fact('warning', { about: 'runtime' }, from);
  assert.match(message, / or a part of it was deleted while zero was running\./);
}

describe('a runtime directory that is deleted while zero runs', () => {
  it(
    'is created again: one warning, and commands, deploys and a crash work as before',
    DEADLINE,
    async (t) => {
      const { directory, ...sections } = placed(temporaryFolder(t));
      const service = await startSurvivor(t, sections);
      const { zero, puppets, incumbent } = service;
      const load = startLoad(t, { target: await zero.address('http'), clients: 2 });
      await zero.fact('keeper_started');
      const { cursor } = zero;
      remove(directory);
      await restored(zero, cursor);

      // Its notify socket is bound again with the same name.
      await incumbent.notify('STATUS=still here');
      const status = await command(t, zero, 'status', '--json');
      assert.equal(status.code, 0, status.stderr);
      assert.equal(JSON.parse(status.stdout).incumbent, 1);
      const record = JSON.parse(readFileSync(join(directory, 'instance.json'), 'utf8'));
      assert.equal(record.pid, supervisorPid(zero));

      const reload = command(t, zero, 'reload');
      await nextReady(puppets);
      const { code, stderr } = await reload;
      assert.equal(code, 0, stderr);
      assert.equal(complaints(zero, ['warn', 'error'], cursor).length, 1);

      const { cursor: before } = zero;
      process.kill(supervisorPid(zero), 'SIGKILL');
      const { incumbent: serving } = await zero.fact('supervisor_recovered', {}, before);
      assert.equal(serving, 2);
      const { failures } = await load.stop();
      assert.deepEqual(failures, {});
    },
  );

  it('still belongs to this zero: a second one is refused', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const { directory, ...sections } = placed(folder);
    const { zero, incumbent } = await startServing(t, sections);
    const { cursor } = zero;
    remove(directory);
    await restored(zero, cursor);
    const second = await runZero(t, { folder, args: ['--config', `${zero.config}`] });
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`another zero \\(pid ${zero.pid}\\)`));
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
  });

  it('is created again each time it is deleted or moved', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const { directory, ...sections } = placed(folder);
    const { zero } = await startServing(t, sections);
    for (const act of [
      () => remove(directory),
      () => renameSync(directory, join(folder, 'elsewhere')),
      () => remove(join(folder, 'runtime')),
      () => rmSync(join(directory, 'control.sock')),
    ]) {
      const { cursor } = zero;
      act();
      await restored(zero, cursor);
      const { code, stderr } = await command(t, zero, 'status');
      assert.equal(code, 0, stderr);
    }
    assert.equal(complaints(zero).length, 4);
  });

  it(
    'and cannot be created: one error, and the next attempt succeeds when it can be',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const { directory, ...sections } = placed(folder);
      const { zero, puppets, incumbent } = await startServing(t, sections);
      const parent = join(folder, 'runtime');
      const { cursor } = zero;
      renameSync(parent, join(folder, 'elsewhere'));
      writeFileSync(parent, 'in its place\n');
      // The parent was moved, which a watch on the directory does not report.
      const failed = zero.fact('error', { step: 'restore runtime directory' }, cursor);
      remove(join(folder, 'elsewhere'));
      const { message } = await failed;
      assert.match(message, /ENOTDIR|not a directory/);
      const { generation, pid } = incumbent;
      assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
      rmSync(parent);
      mkdirSync(parent);
      await restored(zero, cursor);
      assert.ok(existsSync(join(directory, 'control.sock')));
      const from = zero.cursor;
      zero.signal('SIGHUP');
      await nextReady(puppets);
      await zero.fact('handover_finished', { outcome: 'promoted' }, from);
    },
  );

  it('together with a crash: a zero that is started by hand finds the service', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const { directory, application, ...sections } = placed(folder);
    const service = { ...sections, application: { ...application, restart_supervisor: 'never' } };
    const { zero, incumbent } = await startServing(t, service, { survives: true });
    await zero.fact('keeper_started');
    const address = await zero.address('http');
    zero.signal('SIGKILL');
    await zero.exited;
    remove(directory);
    const next = startZero(t, { folder: zero.folder, args: ['--config', `${zero.config}`] });
    const { adopted } = await next.fact('supervisor_recovered');
    assert.equal(adopted, 1);
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(address), { generation, pid });
    const { code, stderr } = await command(t, zero, 'stop');
    assert.equal(code, 0, stderr);
  });
});
