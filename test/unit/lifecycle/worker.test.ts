import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextDeadline } from '../../../src/lifecycle/step.ts';
import { Story } from './story.ts';

/** Answers every start since the last call, in one event, as the shell does. Returns how many there were. */
function start(story: Story): number {
  const started = story.take('spawn').map(({ generation, worker, incarnation }) => {
    return { type: 'spawned', at: story.clock, pid: 100 + worker, generation, worker, incarnation } as const;
  });
  if (started.length > 0) story.tell({ type: 'batch', events: started });
  return started.length;
}

describe('a candidate with many workers', () => {
  it('starts a few of them in each turn of the event loop, until all run', () => {
    const story = new Story({ workers: 10 });
    story.reload('start');
    const counts = [start(story)];
    // Time passes while processes are started. The result of a start starts no others in the same turn.
    story.clock += 50;
    assert.equal(start(story), 0);
    while (nextDeadline(story.state) <= story.clock + 1) {
      story.wait();
      counts.push(start(story));
    }
    assert.deepEqual(counts, [3, 3, 3, 1]);
    assert.equal(story.verdict('start')?.outcome, 'promoted');
  });

  it('starts none of the others once it has failed', () => {
    const story = new Story({ workers: 10, reloadUptime: 1_000 });
    story.reload('start');
    start(story);
    story.tell({ type: 'stop', by: 'SIGTERM', now: false });
    story.pass(500);
    assert.deepEqual(story.take('spawn'), []);
  });

  it('is given up at the first start only when none of its workers can be started', () => {
    const story = new Story({ workers: 6 });
    story.reload('start');
    const failed: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      for (const { generation, worker, incarnation } of story.take('spawn')) {
        failed.push(worker);
        const failure = { step: 'spawn', reason: 'no such program', generation, worker };
        story.tell({ type: 'spawn_failed', failure, generation, worker, incarnation });
      }
      if (story.state.exit === null && failed.length < 6) story.pass(1);
    }
    assert.deepEqual(failed, [0, 1, 2, 3, 4, 5]);
    assert.equal(story.take('exit').length, 1);
  });
});
