import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusOf } from '../../../../src/supervisor/observe/status.ts';
import { Story } from '../../lifecycle/story.ts';

function workersOf(story: Story) {
  const status = statusOf({
    name: 'test',
    configFile: null,
    version: '1.0.0',
    startedAt: 0,
    supervisor: undefined,
    keeper: undefined,
    now: story.clock,
    state: story.state,
    listeners: { queues: () => new Map(), snapshot: () => [] },
    deviationOf: () => null,
    lastEvent: null,
  });
  return status.generations.flatMap(({ workers }) => workers);
}

test('a worker that waits for the starts of others is spawning, and a crashed one is in backoff', () => {
  const story = new Story({ workers: 5 });
  story.reload('start');
  assert.deepEqual(
    workersOf(story).map(({ state, restarts, retry_in_ms }) => [state, restarts, retry_in_ms]),
    Array.from({ length: 5 }, () => ['spawning', 0, undefined]),
  );
  story.spawned(5);
  story.exited(1);
  const [crashed, running] = workersOf(story);
  assert.deepEqual([crashed?.state, crashed?.retry_in_ms, running?.state], ['backoff', 100, 'up']);
});
