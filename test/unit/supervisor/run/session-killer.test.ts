import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { SessionKiller } from '../../../../src/supervisor/run/session-killer.ts';
import { NOBODY } from '../../../../src/workers/processes/delivery.ts';
import { isStillRunning } from '../../../../src/workers/processes/descendants.ts';
import { killSessions } from '../../../../src/workers/processes/stopper.ts';
import { script } from '../../workers/support.ts';

test('the processes of many sessions are killed after one listing for all of them', async () => {
  const turns: (() => void)[] = [];
  let listings = 0;
  const kernel = {
    ...linux,
    defer: (run: () => void) => void turns.push(run),
    listProcesses: () => {
      listings += 1;
      return linux.listProcesses();
    },
  };
  const killer = new SessionKiller(kernel);
  const all = Array.from({ length: 4 }, () => script('sleep 1000 & echo; wait'));
  for (const { line } of all) await line();
  const kept = script('exec sleep 1000');
  for (const { pid } of all) killer.add(() => pid);
  // All processes of this worker have exited meanwhile.
  killer.add(() => null);
  assert.equal(turns.length, 1);
  turns.pop()?.();
  await Promise.all(all.map(({ exit }) => exit));
  // The second one finds nobody.
  assert.equal(listings, 2);
  for (const { pid } of all) assert.deepEqual(killSessions(linux, [pid]), NOBODY);
  const stat = linux.processStat(kept.pid);
  assert.ok(stat !== null && isStillRunning(stat, stat.startTime));
  killer.add(() => kept.pid);
  assert.equal(turns.length, 1);
  turns.pop()?.();
  await kept.exit;
});
