import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastEvent } from '../../../../src/supervisor/observe/last-event.ts';

test('the last event is the newest one above detail level, with its age', () => {
  let now = 1000;
  const last = new LastEvent(() => now);
  assert.equal(last.document(), null);
  last.report({ event: 'worker_spawned', generation: 1, worker: 0, pid: 7 });
  now = 3500.4;
  last.report({ event: 'gate_passed', generation: 1, worker: 0, gate: 'uptime', after: 5 });
  assert.deepEqual(last.document(), {
    event: 'worker_spawned',
    level: 'info',
    message: 'worker spawned',
    ms_ago: 2500,
  });
});
