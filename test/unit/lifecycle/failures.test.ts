import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextDeadline } from '../../../src/lifecycle/step.ts';
import { OK, Story, serving } from './story.ts';

const KEY = { worker: 0, incarnation: 1 };

describe('a steering change that the kernel refuses', () => {
  it('rolls the handover back with step steer, and is retried until it is installed', () => {
    const story = serving();
    story.refuses = ({ type }) => (type === 'steer' ? 'ENOMEM' : null);
    story.reload('cli');
    story.spawned();
    const { outcome, failure, incumbent } = story.verdict('cli') ?? {};
    assert.deepEqual(
      [outcome, failure?.step, failure?.errno, incumbent],
      ['rolled_back', 'steer', 'ENOMEM', 1],
    );
    assert.equal(story.stage(1), 'serving');
    // New connections may still reach the candidate, so it is not stopped.
    story.pass(120_000);
    assert.equal(story.stage(2), 'retiring');
    assert.deepEqual(story.take('signal'), []);
    assert.equal(story.facts('error').length, 2, 'one event for each of the two changes');
    story.refuses = () => null;
    story.pass(10_000);
    story.pass(1_000);
    story.drained(2);
    assert.deepEqual(
      story.take('signal').map(({ generation }) => generation),
      [2],
    );
  });

  it('keeps a first generation, which serves when the change is installed', () => {
    const story = new Story();
    story.refuses = ({ type }) => (type === 'steer' ? 'EPERM' : null);
    story.reload('first');
    story.spawned();
    assert.deepEqual(
      [story.verdict('first')?.outcome, story.verdict('first')?.failure?.step],
      ['failed', 'steer'],
    );
    assert.equal(story.stage(1), 'starting');
    story.refuses = () => null;
    story.pass(100);
    assert.equal(story.stage(1), 'serving');
  });

  it('after a crash does not end a handover in its start', () => {
    const story = serving({ workers: 2, gates: [] });
    story.reload('cli');
    story.refuses = ({ type }) => (type === 'steer' ? 'ENOMEM' : null);
    story.exited(1);
    assert.equal(story.state.handover?.step.name, 'starting');
    assert.ok(nextDeadline(story.state) <= story.clock + 100);
  });
});

describe('a signal that the kernel refuses', () => {
  function retiring(errno: string): Story {
    const story = serving();
    story.reload('cli');
    story.spawned();
    story.refuses = (effect) => ('pid' in effect && effect.pid === 100 ? errno : null);
    story.pass(1_000);
    story.drained(1);
    return story;
  }

  it('permanently leaves the worker running: the refusal is reported, and nothing waits for the worker', () => {
    const story = retiring('EPERM');
    assert.deepEqual(
      story.facts('worker_not_stoppable').map(({ pid, signal }) => [pid, signal]),
      [[100, 'SIGTERM']],
    );
    assert.equal(story.verdict('cli')?.outcome, 'promoted');
    story.pass(600_000);
    assert.equal(story.stage(1), 'stopping');
    assert.equal(story.facts('worker_not_stoppable').length, 1);
    // It does not count as retiring, so it does not delay the next handovers.
    for (const generation of [3, 4, 5]) {
      story.reload(`to ${generation}`);
      story.spawned();
      assert.equal(story.stage(generation), 'serving');
      story.pass(1_000);
      story.drained(generation - 1);
      story.exited(generation - 1, OK);
    }
    story.exited(1, OK);
    assert.equal(story.stage(1), undefined);
  });

  it('permanently ends the wait of a stop, which reports the process', () => {
    const story = retiring('EPERM');
    story.tell({ type: 'stop', by: 'test', now: false });
    assert.match(story.facts('error').at(-1)?.message ?? '', /^process 100 of generation 1 keeps running: /);
    story.exited(2, OK);
    assert.deepEqual(story.state.exit, OK);
  });

  it('temporarily is sent again', () => {
    const story = retiring('EMFILE');
    assert.equal(story.facts('error').length, 1);
    story.take('signal');
    story.refuses = () => null;
    story.pass(100);
    assert.deepEqual(
      story.take('signal').map(({ pid }) => pid),
      [100],
    );
    story.pass(20_000);
    assert.deepEqual(story.take('signal'), []);
  });

  it('together with SIGKILL ends the wait for the process', () => {
    const story = retiring('EAGAIN');
    story.pass(30_000 + 10_000);
    assert.match(
      story.facts('error').at(-1)?.message ?? '',
      /process 100 of generation 1 is still running 10 s after SIGKILL/,
    );
    assert.equal(story.stage(1), undefined);
  });

  it('for remaining processes is reported once', () => {
    const story = serving({
      restart: { policy: 'never' },
    });
    story.refuses = ({ type }) => (type === 'kill_leftovers' ? 'EPERM' : null);
    story.reload('cli');
    story.spawned();
    const exit = { exit: OK, usage: null, output: [], explained: null };
    story.pass(1_000);
    story.drained(1);
    story.tell({ type: 'exited', generation: 1, ...KEY, ...exit, leftovers: 1 });
    story.pass(60_000);
    assert.equal(story.take('kill_leftovers').length, 1);
    assert.deepEqual(
      story.facts('error').map(({ step, errno }) => [step, errno]),
      [['kill_leftovers', 'EPERM']],
    );
    assert.equal(story.stage(1), undefined);
  });
});

describe('the first start of several workers', () => {
  const spawnFailed = (story: Story, worker: number) =>
    story.tell({
      type: 'spawn_failed',
      generation: 1,
      worker,
      incarnation: 1,
      failure: { step: 'posix_spawn', reason: 'EAGAIN', errno: 'EAGAIN' },
    });

  it('succeeds when one of them could be started: the other is retried', () => {
    const story = new Story({ workers: 3 });
    story.reload('first');
    for (const worker of [0, 1])
      story.tell({ type: 'spawned', pid: 100 + worker, generation: 1, worker, incarnation: 1 });
    story.take('spawn');
    spawnFailed(story, 2);
    assert.equal(story.state.exit, null);
    story.pass(100);
    assert.deepEqual(
      story.take('spawn').map(({ worker }) => worker),
      [2],
    );
    story.tell({ type: 'spawned', pid: 102, generation: 1, worker: 2, incarnation: 2 });
    assert.equal(story.stage(1), 'serving');
  });

  it('does not fail because a rescue worker could not be started', () => {
    const story = new Story({ workers: 2, gates: ['notify'], restart: { policy: 'never' } });
    story.reload('first');
    story.spawned(2);
    story.exited(1);
    story.tell({ type: 'lane_queued', lane: 0 });
    story.tell({
      type: 'spawn_failed',
      generation: 1,
      worker: 2,
      incarnation: 1,
      failure: { step: 'spawn', reason: 'EAGAIN', errno: 'EAGAIN' },
    });
    assert.equal(story.stage(1), 'starting');
    assert.deepEqual(story.take('signal'), []);
  });

  it('fails when none could be started', () => {
    const story = new Story({ workers: 3 });
    story.reload('first');
    for (const worker of [0, 1, 2]) spawnFailed(story, worker);
    assert.deepEqual(story.state.exit, { kind: 'exited', code: 1 });
  });
});

describe('a file that cannot be written', () => {
  it('is reported once, and retried with backoff', () => {
    const story = serving();
    const failure = {
      step: 'write state',
      reason: 'write state /run/x: ENOSPC',
      errno: 'ENOSPC',
      subject: '/run/x',
    };
    story.refuses = ({ type }) => (type === 'write' ? 'ENOSPC' : null);
    story.tell({ type: 'write_failed', file: 'state', failure });
    story.pass(30_000);
    assert.ok(story.take('write').length > 5);
    assert.deepEqual(
      story.facts('error').map(({ subject }) => subject),
      ['/run/x'],
    );
    story.refuses = () => null;
    story.pass(10_000);
    assert.equal(story.state.storage.state, null);
    story.take('write');
    story.pass(60_000);
    assert.deepEqual(story.take('write'), []);
  });
});

describe('a watch that cannot be set', () => {
  it('is set again, and its failure is shown until then', () => {
    const story = serving();
    story.refuses = ({ type }) => (type === 'prepare_lanes' || type === 'drain' ? 'ENOMEM' : null);
    story.reload('cli');
    story.spawned();
    story.pass(1_000);
    assert.equal(story.state.retries.drain?.failure.errno, 'ENOMEM');
    story.refuses = () => null;
    story.pass(10_000);
    assert.equal(story.state.retries.drain, undefined);
  });
});

describe('a backlog that cannot be set', () => {
  it('is set again', () => {
    const story = new Story();
    story.refuses = ({ type }) => (type === 'listen_again' ? 'ENOMEM' : null);
    story.reload('first');
    story.spawned();
    assert.equal(story.stage(1), 'serving');
    assert.equal(story.facts('error').length, 1);
    story.refuses = () => null;
    story.pass(1_000);
    assert.equal(story.state.generations[0]?.relisten, null);
  });
});

describe('a first generation that runs and has not passed its gates', () => {
  it('keeps its lanes until the next one has passed', () => {
    const story = new Story({ gates: ['notify'] });
    story.reload('first');
    story.spawned();
    story.request('second');
    story.resolved({ gates: [] });
    assert.equal(story.verdict('first')?.outcome, 'superseded');
    assert.deepEqual(story.take('signal'), []);
    assert.equal(story.stage(1), 'starting');
    story.spawned();
    assert.equal(story.stage(2), 'serving');
    assert.equal(story.stage(1), 'retiring');
  });

  it('is kept when the next one fails too', () => {
    const story = new Story({ gates: ['notify'] });
    story.reload('first');
    story.spawned();
    story.reload('second');
    story.spawned();
    story.exited(2);
    assert.equal(story.verdict('second')?.outcome, 'rolled_back');
    assert.equal(story.state.incumbent, 1);
    assert.equal(story.stage(1), 'starting');
  });

  it('is abandoned immediately when no process of it runs', () => {
    const story = new Story({ gates: ['notify'] });
    story.reload('first');
    story.spawned();
    story.exited(1);
    story.reload('second');
    assert.equal(story.state.incumbent, 2);
    assert.equal(story.stage(1), undefined);
  });
});
