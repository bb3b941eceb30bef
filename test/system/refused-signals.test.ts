import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { complaints } from '../support/complaints.ts';
import { installZero } from '../support/installed.ts';
import { startLoad } from '../support/load.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { identify, isRunning } from '../support/processes.ts';
import type { Puppet } from '../support/puppet.ts';
import { nextReady, type PuppetService, startServing, whoAnswers } from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const STEERED = { mode: 'steered', settle: '200ms', drain_timeout: '1s' };

/** capabilities(7): without CAP_KILL root may only signal processes of its own user, like every user (kill(2)). */
const WITHOUT_KILL = ['setpriv', '--bounding-set=-kill', '--inh-caps=-kill', '--'] as const;

/** A stop without a wait ends within this time, in milliseconds. */
const SHORT = 10_000;

/** Asserts that a deploy succeeds. Returns the worker of the new generation. */
async function deploy(scope: Scope, { zero, puppets }: PuppetService): Promise<Puppet> {
  const reloading = startCommand(scope, zero, ['reload']);
  const puppet = await nextReady(puppets);
  const { code, stderr } = await reloading.finished;
  assert.equal(code, 0, stderr);
  assert.equal((await whoAnswers(await zero.address('http'))).pid, puppet.pid);
  return puppet;
}

/** Ends the supervisor. Returns the time until its exit in milliseconds. */
async function stop({ zero }: PuppetService): Promise<number> {
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  const { duration } = await zero.fact('supervisor_stopped');
  return duration;
}

/**
 * A directory for the front of PATH, whose `sleep` runs as root, like programs under sudo(8). Its setuid program also
 * changes the real user id: otherwise the user who started it may signal it (kill(2)).
 */
function folderOfSudo(scope: Scope): string {
  const folder = sharedFolder(scope);
  const sudo = join(folder, 'sudo');
  copyFileSync('/usr/bin/setpriv', sudo);
  chmodSync(sudo, 0o4755);
  const script = `#!/bin/sh\nexec ${sudo} --reuid=0 --regid=0 --clear-groups -- /bin/sleep "$@"\n`;
  writeFileSync(join(folder, 'sleep'), script, { mode: 0o755 });
  return folder;
}

/** Resolves when that process runs as root: its launcher has executed /bin/sleep. */
async function isRoots(pid: number): Promise<void> {
  while (!/^Name:\tsleep$.*^Uid:\t0\t0\t0\t0$/ms.test(readFileSync(`/proc/${pid}/status`, 'latin1')))
    await new Promise((resolve) => setImmediate(resolve));
}

describe('workers that zero may not signal', () => {
  it('keep running and are reported; zero keeps serving, deploying and stops', DEADLINE, async (t) => {
    if (!requireRoot(t, 'its workers are of another user')) return;
    const sections = { runtime: { user: 'nobody' }, handover: STEERED };
    const service = await startServing(t, sections, {
      command: [...WITHOUT_KILL, ...ZERO_COMMAND],
      folder: sharedFolder(t),
    });
    const { zero, incumbent } = service;
    const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
    const workers = [incumbent];
    const refusal = (signal: string, { pid }: Puppet) =>
      new RegExp(`cannot send ${signal} to process ${pid} \\(.+\\): EPERM\\. Run zero as root with CAP_KILL`);
    for (const generation of [1, 2, 3]) {
      const old = workers.at(-1) ?? incumbent;
      workers.push(await deploy(t, service));
      const fact = await zero.fact('worker_not_stoppable', { generation });
      assert.deepEqual([fact.pid, fact.signal], [old.pid, 'SIGTERM']);
      assert.match(fact.reason, refusal('SIGTERM', old));
      const status = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
      assert.equal(status.incumbent, generation + 1);
      const [worker] = status.generations.find(({ id }: { id: number }) => id === generation).workers;
      assert.deepEqual([worker.pid, worker.state], [old.pid, 'stopping']);
      assert.match(worker.problem, refusal('SIGTERM', old));
    }
    assert.match((await command(t, zero, 'status')).stdout, /cannot send SIGTERM to process \d+/);
    const { failures, answered } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(answered > 0);

    const running = workers.map(({ pid }) => identify(pid));
    assert.ok((await stop(service)) < SHORT);
    for (const [index, worker] of workers.entries()) {
      const known = running[index];
      assert.ok(known && isRunning(known));
      const [said, ...more] = zero.log.all('error', { subject: `process ${worker.pid}` });
      assert.match(
        said?.message ?? '',
        new RegExp(`process ${worker.pid} of generation ${index + 1} keeps running`),
      );
      assert.match(said?.message ?? '', refusal('SIGTERM', worker));
      assert.deepEqual(more, []);
    }
  });
});

describe('a process of root in the session of a worker of an ordinary user', () => {
  it('keeps running and is reported; zero keeps serving, deploying and stops', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const nobody = account('nobody');
    const folder = sharedFolder(t);
    chownSync(folder, nobody.uid, nobody.gid);
    const environment = { PATH: `${folderOfSudo(t)}:${process.env.PATH}` };
    const command = [...asAccount(nobody), ...installZero(t).command] as const;
    // A remaining process of a worker has the rest of this time.
    const options = { shutdown_timeout: '2s' };
    const service = await startServing(t, { options, handover: STEERED, environment }, { command, folder });
    const { zero, incumbent } = service;
    const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
    let old = incumbent;
    const children: number[] = [];
    for (const generation of [1, 2, 3]) {
      const child = await old.fork('same');
      await isRoots(child);
      children.push(child);
      old = await deploy(t, service);
      await zero.fact('generation_gone', { generation });
    }
    const last = await old.fork('same');
    await isRoots(last);
    children.push(last);
    const { failures, answered } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(answered > 0);

    const running = children.map(identify);
    assert.ok((await stop(service)) < SHORT);
    for (const [index, child] of children.entries()) {
      const known = running[index];
      assert.ok(known && isRunning(known));
      const [said, ...more] = zero.log.all('error', { subject: `process ${child} (sleep)` });
      assert.match(
        said?.message ?? '',
        new RegExp(`^cannot send SIGKILL to process ${child} \\(sleep\\): EPERM`),
      );
      assert.deepEqual(more, []);
    }
    assert.deepEqual(new Set(complaints(zero).map(({ event }) => event)), new Set(['error']));
  });
});
