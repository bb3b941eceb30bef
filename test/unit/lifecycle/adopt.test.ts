import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generationOf, servingGeneration } from '../../../src/lifecycle/state.ts';
import { type Changes, Story, settingsWith } from './story.ts';

const PID = 4711;

function adopted(changes: Changes = {}): Story {
  const story = new Story(changes);
  story.tell({ type: 'adopted', settings: settingsWith(changes), pid: PID, since: -5_000 });
  return story;
}

const lanes = (story: Story, generation: number) =>
  generationOf(story.state, generation)?.workers.map(({ lane }) => lane);

describe('an adopted service', () => {
  it('serves immediately as the first generation, on its existing lane', () => {
    const story = adopted();
    assert.equal(servingGeneration(story.state), 1);
    assert.deepEqual(
      story.take('steer').map(({ steering }) => steering.main),
      [[0]],
    );
    assert.deepEqual(story.take('spawn'), []);
    assert.deepEqual(story.take('promoted'), [{ type: 'promoted', generation: 1 }]);
    assert.deepEqual(
      story.facts('worker_adopted').map(({ pid }) => pid),
      [PID],
    );
  });

  it('is replaced by a handover like any other, and its lane goes to no other generation', () => {
    const story = adopted();
    for (let generation = 2; generation < 6; generation += 1) {
      story.reload('t');
      story.spawned();
      assert.equal(servingGeneration(story.state), generation);
      assert.ok(!lanes(story, generation)?.includes(0), 'the taken lane was given away');
      story.pass(1_000);
      story.drained(generation - 1);
      story.exited(generation - 1);
      // Longer than a handshake takes: every other lane is free again.
      story.pass(70_000);
    }
    assert.equal(generationOf(story.state, 1), undefined);
  });

  it('is rolled back to in the soak without having received a signal', () => {
    const story = adopted({ handover: { soak: 5_000 } });
    story.reload('t');
    story.spawned();
    story.tell({ type: 'abort', by: 'operator', ticket: null });
    assert.equal(servingGeneration(story.state), 1);
    assert.deepEqual(story.state.demands.steering?.main, [0]);
    assert.deepEqual(
      story.take('signal').filter(({ generation }) => generation === 1),
      [],
    );
  });

  it('that crashes is replaced by the command of the config on a separate lane', () => {
    const story = adopted();
    story.exited(1, { kind: 'unknown' });
    const [lane = 0] = lanes(story, 1) ?? [];
    assert.ok(lane > 0);
    assert.deepEqual(story.state.demands.steering?.main, [lane]);
    assert.ok(story.state.demands.attend.lanes.includes(0), 'no process checks the queue of the taken lane');
    story.wait();
    assert.deepEqual(
      story.take('spawn').map(({ lane: spawned, incarnation }) => ({ lane: spawned, incarnation })),
      [{ lane, incarnation: 2 }],
    );
    story.tell({ type: 'lane_queued', lane: 0 });
    assert.deepEqual(
      story.take('spawn').map(({ lane: spawned, rescue }) => ({ lane: spawned, rescue })),
      [{ lane: 0, rescue: true }],
    );
  });

  it('keeps its lane when an added worker crashes', () => {
    const story = adopted();
    story.tell({ type: 'scale', by: 'operator', ticket: 's', workers: 2, timeout: null });
    story.take('spawn');
    const key = { generation: 1, worker: 1, incarnation: 1 };
    story.tell({ type: 'spawned', ...key, pid: PID + 1 });
    const before = lanes(story, 1);
    story.tell({
      type: 'exited',
      ...key,
      exit: { kind: 'exited', code: 1 },
      usage: null,
      leftovers: 0,
      output: [],
      explained: null,
    });
    assert.deepEqual(lanes(story, 1), before);
    story.exited(1, { kind: 'unknown' });
    assert.ok(!lanes(story, 1)?.includes(0), 'zero started a worker of its own in the taken lane');
  });

  it('that crashes keeps its socket if all generations share the sockets', () => {
    const story = adopted({ handover: { steered: false } });
    story.exited(1, { kind: 'unknown' });
    assert.deepEqual(lanes(story, 1), [0]);
  });
});
