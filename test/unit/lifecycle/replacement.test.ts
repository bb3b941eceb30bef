import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Liveness } from '../../../src/lifecycle/events.ts';
import { generationOf } from '../../../src/lifecycle/state.ts';
import { type Changes, OK, type Story, serving } from './story.ts';

const LIMIT = 512 * 1024 * 1024;
const LEAK: Changes = { restart: { maxMemory: LIMIT } };
const CHECKED: Changes = { liveness: { action: 'replace' } };

/** The ordered process starts since the last call. */
function starts(story: Story) {
  return story
    .take('spawn')
    .map(({ worker, incarnation, lane, joins }) => ({ worker, incarnation, lane, joins }));
}

/** A process has started. Without gates it is ready. */
function spawned(story: Story, worker: number, incarnation = 1): void {
  story.tell({ type: 'spawned', generation: 1, worker, incarnation, pid: 200 + worker });
}

function exited(story: Story, worker: number, incarnation = 1): void {
  const key = { generation: 1, worker, incarnation };
  story.tell({ type: 'exited', ...key, exit: OK, usage: null, leftovers: 0, output: [], explained: null });
}

/** A process could not be started. */
function failed(story: Story, worker: number): void {
  const failure = { step: 'spawn', reason: 'EAGAIN', errno: 'EAGAIN' };
  story.tell({ type: 'spawn_failed', generation: 1, worker, incarnation: 1, failure });
}

function leaked(story: Story, worker: number): void {
  story.tell({ type: 'memory_exceeded', generation: 1, worker, incarnation: 1, bytes: LIMIT + 1 });
}

function round(story: Story, failing: readonly number[], passing: readonly number[]): void {
  const keyOf = (worker: number) => ({ worker, incarnation: 1 });
  const event: Omit<Liveness, 'type'> = {
    generation: 1,
    failing: failing.map((worker) => ({ ...keyOf(worker), reason: 'GET / returned 500' })),
    passing: passing.map(keyOf),
  };
  story.tell({ type: 'liveness', ...event });
}

const main = (story: Story) => story.state.demands.steering?.main;
const workersOf = (story: Story) => generationOf(story.state, 1)?.workers ?? [];
const pidsSignalled = (story: Story) => story.take('signal').map(({ pid }) => pid);

describe('a worker above max_memory', () => {
  it('keeps its connections until the new one is ready, and then retires', () => {
    const story = serving({ ...LEAK, workers: 2 });
    assert.deepEqual(main(story), [0, 1]);
    leaked(story, 0);
    assert.deepEqual(starts(story), [{ worker: 2, incarnation: 1, lane: 2, joins: true }]);
    assert.deepEqual(main(story), [0, 1]);
    spawned(story, 2);
    assert.deepEqual(main(story), [1, 2]);
    assert.deepEqual(story.facts('worker_replaced'), [
      { event: 'worker_replaced', generation: 1, worker: 0, replacement: 2, cause: 'memory', after: 0 },
    ]);
    story.pass(1_000);
    assert.deepEqual(pidsSignalled(story), [], 'not before it has nothing to do');
    story.tell({ type: 'drain_report', generation: 1, worker: 0, incarnation: 1, queued: 0, busy: 1 });
    assert.deepEqual(pidsSignalled(story), []);
    story.tell({ type: 'drain_report', generation: 1, worker: 0, incarnation: 1, queued: 0, busy: 0 });
    assert.deepEqual(pidsSignalled(story), [100]);
    exited(story, 0);
    assert.equal(story.state.exit, null);
    assert.deepEqual(
      story.state.demands.memory.map(({ worker }) => worker),
      [1, 2],
    );
  });

  it('leaves a shared socket to the workers that still accept from it', () => {
    const story = serving({ ...LEAK, workers: 1 });
    leaked(story, 0);
    spawned(story, 1);
    story.pass(1_000);
    story.tell({ type: 'drain_report', generation: 1, worker: 0, incarnation: 1, queued: 0, busy: 0 });
    exited(story, 0);
    assert.deepEqual(story.state.demands.attend, { lanes: [0], shared: [0] });
    story.tell({ type: 'lane_empty', lane: 0 });
    exited(story, 1);
    assert.deepEqual(story.state.demands.attend.shared, []);
  });

  it('is replaced in the same way when it is the only one', () => {
    const story = serving(LEAK);
    leaked(story, 0);
    assert.deepEqual(main(story), [0]);
    spawned(story, 1);
    assert.deepEqual(main(story), [1]);
    story.pass(1_000);
    story.drained(1);
    exited(story, 0);
    assert.deepEqual([story.stage(1), story.state.exit, main(story)], ['serving', null, [1]]);
  });

  it('is kept when the new one fails, and the next attempt is delayed', () => {
    const story = serving(LEAK);
    leaked(story, 0);
    failed(story, 1);
    assert.deepEqual(main(story), [0]);
    const [fact] = story.facts('worker_replacement_failed');
    assert.equal(fact?.retryIn, 10_000);
    story.take('spawn');
    leaked(story, 0);
    assert.deepEqual(starts(story), [], 'too early');
    story.pass(10_000);
    leaked(story, 0);
    // The index of the failed one is reused.
    assert.deepEqual(starts(story), [{ worker: 1, incarnation: 2, lane: 1, joins: true }]);
  });

  it('is not replaced during a handover, and the candidate ends a replacement', () => {
    const story = serving(LEAK);
    leaked(story, 0);
    spawned(story, 0);
    story.request('a');
    leaked(story, 0);
    assert.equal(story.take('spawn').length, 1);
    story.resolved();
    story.tell({ type: 'tick' });
    assert.equal(story.state.join, null);
    assert.equal(workersOf(story)[1]?.membership, 'leaving');
    const [fact] = story.facts('worker_replacement_failed');
    assert.match(fact?.failure.reason ?? '', /handover 2 has started/);
    assert.equal(fact?.retryIn, 0);
  });

  it('gives its free lane to a later worker, but never the first lane of the generation', () => {
    const story = serving({ ...LEAK, workers: 2 });
    const replace = (worker: number, by: number, incarnation: number) => {
      leaked(story, worker);
      spawned(story, by, incarnation);
      story.pass(1_000);
      story.tell({ type: 'drain_report', generation: 1, worker, incarnation: 1, queued: 0, busy: 0 });
      exited(story, worker);
      story.tell({ type: 'lane_empty', lane: worker });
      story.pass(700_000);
    };
    replace(0, 2, 1);
    replace(1, 0, 2);
    assert.deepEqual(main(story)?.includes(0), false, 'Unix listeners of all workers have the first lane');
    story.take('spawn');
    leaked(story, 2);
    assert.deepEqual(starts(story), [{ worker: 1, incarnation: 2, lane: 1, joins: true }]);
  });
});

describe('a worker that fails its liveness check', () => {
  it('gets no new connections, and is replaced, when another one passes', () => {
    const story = serving({ ...CHECKED, workers: 3 });
    round(story, [1], [0]);
    assert.deepEqual(main(story), [0, 2]);
    assert.deepEqual(starts(story), [{ worker: 3, incarnation: 1, lane: 3, joins: true }]);
    spawned(story, 3);
    assert.deepEqual(main(story), [0, 2, 3]);
    assert.equal(workersOf(story)[1]?.membership, 'leaving');
  });

  it('is only reported when no other one passes', () => {
    const story = serving({ ...CHECKED, workers: 2 });
    round(story, [0], []);
    round(story, [0, 1], []);
    assert.deepEqual(starts(story), []);
    assert.deepEqual(main(story), [0, 1]);
    assert.deepEqual(
      story.facts('worker_unhealthy').map(({ worker, all }) => [worker, all]),
      [
        [0, true],
        [1, true],
      ],
    );
    round(story, [], [0, 1]);
    assert.deepEqual(
      story.facts('worker_healthy').map(({ worker }) => worker),
      [0, 1],
    );
  });

  it('is only reported with action: report', () => {
    const story = serving({ liveness: { action: 'report' }, workers: 2 });
    round(story, [0], [1]);
    assert.deepEqual([starts(story), main(story)], [[], [0, 1]]);
    assert.equal(story.facts('worker_unhealthy').length, 1);
  });

  it('is replaced when it is the only one', () => {
    const story = serving(CHECKED);
    round(story, [0], []);
    assert.equal(starts(story).length, 1);
    spawned(story, 1);
    assert.deepEqual(main(story), [1]);
  });

  it('gets connections again when it recovers before the new one is ready', () => {
    const story = serving({ ...CHECKED, workers: 2 });
    round(story, [0], [1]);
    failed(story, 2);
    round(story, [], [0, 1]);
    assert.deepEqual(main(story), [0, 1]);
    assert.equal(story.facts('worker_replacement_failed').length, 1);
  });
});

describe('a changed number of workers', () => {
  const scale = (story: Story, workers: number, timeout: number | null = null, ticket = 's') =>
    story.tell({ type: 'scale', by: 'zero scale', ticket, workers, timeout });
  const results = (story: Story) =>
    story.take('scaled').map(({ ticket, result }) => [ticket, result.outcome, result.workers]);

  it('that is higher: the workers get connections when all of them are ready', () => {
    const story = serving();
    scale(story, 3);
    assert.deepEqual(
      starts(story).map(({ lane }) => lane),
      [1, 2],
    );
    spawned(story, 1);
    assert.deepEqual([main(story), results(story)], [[0], []]);
    spawned(story, 2);
    assert.deepEqual([main(story), results(story)], [[0, 1, 2], [['s', 'done', 3]]]);
  });

  it('that is lower: the newest retire, and the answer arrives when they have exited', () => {
    const story = serving({ workers: 3 });
    scale(story, 1);
    assert.deepEqual(main(story), [0]);
    story.pass(1_000);
    for (const worker of [1, 2])
      story.tell({ type: 'drain_report', generation: 1, worker, incarnation: 1, queued: 0, busy: 0 });
    assert.deepEqual(pidsSignalled(story), [101, 102]);
    exited(story, 1);
    assert.deepEqual(results(story), []);
    exited(story, 2);
    assert.deepEqual(results(story), [['s', 'done', 1]]);
  });

  it('that is equal: done immediately', () => {
    const story = serving({ workers: 2 });
    scale(story, 2);
    assert.deepEqual([results(story), starts(story)], [[['s', 'done', 2]], []]);
  });

  it('that is lower without steering: the surplus workers are asked to stop immediately', () => {
    const changes: Changes = { workers: 2, handover: { steered: false } };
    const story = serving(changes);
    scale(story, 1);
    assert.deepEqual(pidsSignalled(story), [101]);
    scale(story, 3, null, 'more');
    assert.deepEqual(
      starts(story).map(({ lane }) => lane),
      [0, 0],
      'they have the same sockets',
    );
  });

  it('is cancelled when one worker fails', () => {
    const story = serving();
    scale(story, 3);
    spawned(story, 1);
    failed(story, 2);
    assert.deepEqual([main(story), results(story)], [[0], [['s', 'failed', 1]]]);
    assert.deepEqual(
      workersOf(story).map(({ membership }) => membership),
      ['member', 'leaving', 'leaving'],
    );
  });

  it('fails for a worker that is not ready within readiness.timeout or the timeout of the caller', () => {
    for (const [timeout, outcome] of [
      [null, 'failed'],
      [5_000, 'timed_out'],
    ] as const) {
      const late = serving({ readinessTimeout: 10_000 });
      scale(late, 2, timeout);
      late.pass(10_000);
      assert.deepEqual(results(late), [['s', outcome, 1]]);
    }
  });

  it('is refused during a handover, and cancelled by a new one', () => {
    const story = serving();
    scale(story, 2, null, 'first');
    story.reload('a');
    story.tell({ type: 'tick' });
    scale(story, 3, null, 'second');
    assert.deepEqual(results(story), [
      ['first', 'superseded', 1],
      ['second', 'failed', 1],
    ]);
  });

  it('replaces an unanswered earlier request', () => {
    const story = serving();
    scale(story, 2, null, 'first');
    scale(story, 1, null, 'second');
    assert.deepEqual(results(story), [
      ['first', 'superseded', 1],
      ['second', 'done', 1],
    ]);
  });

  it('is answered by a stop, for every waiting caller', () => {
    const story = serving({ workers: 2 });
    scale(story, 1);
    story.tell({ type: 'stop', by: 'SIGTERM', now: false });
    assert.deepEqual(results(story), [['s', 'aborted', 1]]);
  });

  it('is in progress for a caller that stops waiting while workers exit', () => {
    const story = serving({ workers: 2 });
    scale(story, 1, 500);
    story.pass(500);
    assert.deepEqual(results(story), [['s', 'in_progress', 1]]);
  });
});
