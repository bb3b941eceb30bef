import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { installZero } from '../support/installed.ts';
import { startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import { type Account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { countTasks, limitTasks, lonelyAccount } from '../support/process-limit.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, type Exit, startZero, type Zero } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

/** More tasks than a test creates. */
const ENOUGH = 4096;
const NO_PROCESS = /EAGAIN/;

/** Starts supervisors of an ordinary user, whose workers are single processes without threads. */
function launcher(scope: Scope, user: Account, workers: number): (limit?: number) => Zero {
  const { command } = installZero(scope);
  const program = join(sharedFolder(scope), 'server');
  copyFileSync(fixture('lane-breaker.pl'), program);
  chmodSync(program, 0o755);
  return (limit) => {
    const folder = sharedFolder(scope);
    chownSync(folder, user.uid, user.gid);
    const limited = limit === undefined ? [] : ['prlimit', `--nproc=${limit}:`];
    const service = {
      listeners: [{ name: 'http', address: '127.0.0.1:0' }],
      runtime: { path: program, workers, environment: environmentList({}) },
      options: { reload_uptime: '0s' },
      handover: { mode: 'steered', settle: '200ms', drain_timeout: '1s' },
      restart: { backoff: { initial: '200ms', factor: 1 } },
    };
    const [first, ...rest] = asAccount(user);
    return startZero(scope, {
      config: { service },
      folder,
      command: [first, ...rest, ...limited, ...command],
    });
  };
}

async function stop(zero: Zero): Promise<Exit> {
  if (zero.process.exitCode === null && zero.process.signalCode === null) zero.signal('SIGTERM');
  return zero.exited;
}

/** Waits until zero has ordered every worker of the first generation; null if zero exited before. */
async function spawned(zero: Zero, workers: number): Promise<{ started: number; failed: number } | null> {
  const results = Array.from({ length: workers }, (_, worker) =>
    Promise.race([
      zero.fact('worker_spawned', { worker }).then(() => true),
      zero.fact('worker_spawn_failed', { worker }).then(() => false),
    ]),
  );
  const outcomes = await Promise.all(results).catch(() => null);
  if (outcomes === null) return null;
  const started = outcomes.filter(Boolean).length;
  return { started, failed: workers - started };
}

describe('at the process limit of the user (EAGAIN)', () => {
  it('the started workers of a first generation serve, and the last one is retried', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const user = lonelyAccount();
    const start = launcher(t, user, 3);
    const unlimited = start();
    await unlimited.fact('generation_promoted', { generation: 1 });
    const tasks = countTasks(user);
    await stop(unlimited);

    let limited: Zero | null = null;
    // The number of Node's threads before the first spawn varies.
    for (let limit = tasks - 4; limited === null; limit += 1) {
      assert.ok(limit < tasks + 4, 'no limit lets exactly two workers start');
      const zero = start(limit);
      const count = await spawned(zero, 3);
      if (count?.started === 2) limited = zero;
      else await stop(zero);
    }
    const zero = limited;
    const { step, reason, worker } = await zero.fact('worker_spawn_failed');
    assert.equal(step, 'spawn');
    assert.match(reason, NO_PROCESS);
    const address = await zero.address('http');
    const load = startLoad(t, {
      target: address,
      clients: 2,
      generationOf: ({ body }) => String(JSON.parse(body.toString()).pid),
    });
    await zero.fact('worker_restarting', { worker, attempt: 2 });
    await load.whenPhaseHas(50);
    limitTasks(user, zero.pid, ENOUGH);
    const third = await zero.fact('worker_spawned', { worker });
    await zero.fact('generation_promoted', { generation: 1 });
    const { failures, byGeneration } = await load.stop();
    assert.deepEqual(failures, {});
    const serving = zero.log
      .all('worker_spawned')
      .map(({ pid }) => pid)
      .filter((pid) => pid !== third.pid);
    assert.equal(serving.length, 2);
    for (const pid of serving) assert.ok((byGeneration[pid] ?? 0) > 0);
    assert.deepEqual(zero.log.all('worker_exited'), []);
    assert.deepEqual(await stop(zero), { code: 0, signal: null });
  });

  it('a handover fails with one error, and succeeds after the limit is raised', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const user = lonelyAccount();
    const zero = launcher(t, user, 1)();
    await zero.fact('generation_promoted', { generation: 1 });
    await zero.fact('executable_kept', { generation: 1 });
    const address = await zero.address('http');
    const incumbent = await whoAnswers(address);
    limitTasks(user, zero.pid, 1);
    let from = zero.cursor;
    zero.signal('SIGHUP');
    const { outcome, failure } = await zero.fact('handover_finished', { handover: 2 });
    assert.deepEqual(
      [outcome, failure?.step, failure?.generation, failure?.worker],
      ['rolled_back', 'spawn', 2, 0],
    );
    assert.match(failure?.reason ?? '', NO_PROCESS);
    assert.equal(complaints(zero, ['error'], from).length, 1);
    assert.deepEqual(await whoAnswers(address), incumbent);
    limitTasks(user, zero.pid, ENOUGH);
    from = zero.cursor;
    zero.signal('SIGHUP');
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 1 });
    assert.deepEqual(complaints(zero, ['warn', 'error'], from), []);
    assert.equal((await whoAnswers(address)).generation, 3);
    assert.deepEqual(await stop(zero), { code: 0, signal: null });
  });
});
