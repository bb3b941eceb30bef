import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { healthOf } from '../../../src/lifecycle/service-state.ts';
import { type Changes, OK, type Story, serving } from './story.ts';

const RESCUER = { generation: 1, worker: 1, incarnation: 1 };

/** The worker accepts nothing, and a connection waits in its lane. */
function hang(story: Story, worker: number, lane: number): void {
  story.tell({ type: 'stalled', generation: 1, worker, incarnation: 1 });
  if (story.state.demands.attend.lanes.includes(lane)) story.tell({ type: 'lane_queued', lane });
}

function rescued(changes: Changes = {}): Story {
  const story = serving(changes);
  hang(story, 0, 0);
  const [order] = story.take('spawn');
  assert.deepEqual([order?.worker, order?.lane, order?.rescue], [1, 0, true]);
  story.tell({ type: 'spawned', pid: 200, ...RESCUER });
  return story;
}

function rescuerExited(story: Story, leftovers = 0): void {
  const how = { exit: OK, usage: null, leftovers, output: [], explained: null };
  story.tell({ type: 'exited', ...RESCUER, ...how });
}

const recover = (story: Story) => story.tell({ type: 'recovered', generation: 1, worker: 0, incarnation: 1 });

describe('the only worker, hung', () => {
  it('gets a rescue worker on its lane, to which zero still steers', () => {
    const story = rescued();
    assert.deepEqual(story.state.demands.steering?.main, [0]);
    assert.deepEqual(story.state.demands.attend.lanes, []);
    assert.deepEqual([healthOf(story.state).state, healthOf(story.state).serving], ['degraded', 0]);
  });

  it('is watched as one that shares its sockets until the rescue worker has exited', () => {
    const story = rescued();
    const watched = () => story.state.demands.stalls.find(({ worker }) => worker === 0);
    assert.deepEqual([watched()?.hung, watched()?.shared], [true, true]);
    rescuerExited(story);
    assert.deepEqual([watched()?.hung, watched()?.shared], [true, false]);
  });

  it('still shares them while processes of the rescue worker remain', () => {
    const story = rescued();
    const shared = () => story.state.demands.stalls.find(({ worker }) => worker === 0)?.shared;
    rescuerExited(story, 1);
    assert.equal(shared(), true);
    story.tell({ type: 'leftovers_gone', ...RESCUER });
    assert.equal(shared(), false);
  });

  it('takes over from the rescue worker once it accepts again', () => {
    const story = rescued();
    recover(story);
    assert.equal(healthOf(story.state).state, 'up');
    story.pass(1_000);
    story.tell({ type: 'drain_report', ...RESCUER, queued: 0, busy: 0 });
    assert.deepEqual(
      story.take('signal').map(({ worker, signal }) => [worker, signal]),
      [[1, 'SIGTERM']],
    );
  });

  it('gets none if it is killed and restarted', () => {
    const story = serving({ restart: { onStall: true } });
    story.tell({ type: 'stalled', generation: 1, worker: 0, incarnation: 1 });
    assert.deepEqual(story.state.demands.attend.lanes, []);
    assert.equal(story.take('kill').length, 1);
  });

  it('gets one if the kernel refuses to kill it', () => {
    const story = serving({ restart: { onStall: true } });
    story.refuses = ({ type }) => (type === 'kill' ? 'EPERM' : null);
    hang(story, 0, 0);
    assert.deepEqual(
      story.take('spawn').map(({ lane, rescue }) => [lane, rescue]),
      [[0, true]],
    );
  });
});

describe('the liveness of a hung worker', () => {
  it('is not checked through its sockets while a rescue worker answers there', () => {
    const story = serving({ liveness: { action: 'replace' } });
    const rescued = () => story.state.demands.liveness.map((watch) => watch.rescued);
    assert.deepEqual(rescued(), [false]);
    hang(story, 0, 0);
    assert.deepEqual(rescued(), [true]);
  });
});

describe('two workers', () => {
  it('get a rescue worker each if both are hung', () => {
    const story = serving({ workers: 2 });
    hang(story, 0, 0);
    hang(story, 1, 1);
    assert.deepEqual(story.state.demands.steering?.main, [0, 1]);
    // The first one was not steered to when the second one hung.
    if (story.state.demands.attend.lanes.includes(0)) story.tell({ type: 'lane_queued', lane: 0 });
    assert.deepEqual(
      story.take('spawn').map(({ lane, rescue }) => [lane, rescue]),
      [
        [0, true],
        [1, true],
      ],
    );
  });

  it('get none while one of them accepts, unless a connection waits for the other one', () => {
    const story = serving({ workers: 2 });
    story.tell({ type: 'stalled', generation: 1, worker: 0, incarnation: 1 });
    assert.deepEqual(story.state.demands.steering?.main, [1]);
    assert.deepEqual(story.take('spawn'), []);
    story.tell({ type: 'lane_queued', lane: 0 });
    assert.deepEqual(
      story.take('spawn').map(({ lane }) => lane),
      [0],
    );
  });
});
