import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Continued, FoundWorker } from '../../../src/lifecycle/events.ts';
import { candidateOf, generationOf } from '../../../src/lifecycle/state.ts';
import { type Changes, OK, Story, serving } from './story.ts';

const UNKNOWN = { kind: 'unknown' } as const;

/**
 * The supervisor is killed, and another one continues. `gone`: generations whose workers have exited in the meantime.
 */
function restart(story: Story, gone: readonly number[] = [], changes: Partial<Continued> = {}): void {
  const workers = story.state.generations.flatMap(({ id: generation, workers: all }) =>
    all.flatMap(({ index: worker, incarnation, life }): FoundWorker[] => {
      const key = { generation, worker, incarnation };
      if (life.name === 'ended' || life.name === 'backoff') return [];
      if (life.name === 'spawning' || gone.includes(generation))
        return [{ ...key, found: 'gone', exit: UNKNOWN, leftovers: 0 }];
      return [{ ...key, found: 'running', pid: life.pid }];
    }),
  );
  story.effects = [];
  const nothing = { hooks: [], unsent: [], concluded: [], planned: false };
  story.tell({ type: 'continued', workers, previous: 7, ...nothing, ...changes });
}

const main = (story: Story) => story.state.demands.steering?.main;
const steerings = (story: Story) => story.take('steer').map(({ steering }) => steering.main);

/** A candidate in the step that these settings lead to. */
function handingOver(changes: Changes, how: { readonly preview?: boolean } = {}): Story {
  const story = serving(changes);
  story.reload('t', how);
  story.spawned();
  return story;
}

const CANARY: Changes = { handover: { canary: [{ percent: 10, for: 5_000 }] } };

describe('a supervisor that continues', () => {
  it('repeats a signal that failed, although its time has passed meanwhile', () => {
    for (const now of [false, true]) {
      const story = serving();
      story.refuses = ({ type }) => (type === 'signal' || type === 'kill' ? 'ENOMEM' : null);
      story.tell({ type: 'stop', by: 'SIGTERM', now });
      story.clock += 3_600_000;
      story.refuses = () => null;
      restart(story);
      const type = now ? 'kill' : 'signal';
      assert.deepEqual(
        story.take(type).map(({ pid }) => pid),
        [100],
        type,
      );
      story.exited(1);
      assert.deepEqual(story.facts('error'), []);
      assert.equal(story.take('exit').length, 1);
    }
  });

  it('steers again and starts nothing if every worker runs', () => {
    const story = serving({ workers: 2 });
    restart(story);
    assert.deepEqual(steerings(story), [[0, 1]]);
    assert.deepEqual(story.take('spawn'), []);
    assert.deepEqual(story.take('signal'), []);
    assert.deepEqual(
      story.facts('worker_adopted').map(({ pid }) => pid),
      [100, 101],
    );
    assert.equal(story.state.change.status, 'installed');
  });

  it('handles the exit of a worker like any other, and restarts it', () => {
    const story = serving();
    restart(story, [1]);
    assert.deepEqual(
      story.facts('worker_exited').map(({ exit, expected }) => ({ exit, expected })),
      [{ exit: UNKNOWN, expected: false }],
    );
    story.wait();
    assert.deepEqual(
      story.take('spawn').map(({ incarnation, lane }) => ({ incarnation, lane })),
      [{ incarnation: 2, lane: 0 }],
    );
  });

  it('starts a worker that was ordered and does not exist, and adopts an existing one', () => {
    const story = serving();
    story.exited(1);
    story.wait();
    assert.equal(generationOf(story.state, 1)?.workers[0]?.life.name, 'spawning');
    restart(story);
    assert.deepEqual(
      story.take('spawn').map(({ incarnation }) => incarnation),
      [3],
    );
    story.effects = [];
    const found: FoundWorker = { generation: 1, worker: 0, incarnation: 3, found: 'running', pid: 300 };
    restart(story, [], { workers: [found] });
    const life = generationOf(story.state, 1)?.workers[0]?.life;
    assert.ok(life?.name === 'up');
    assert.equal(life.pid, 300);
    assert.deepEqual(story.take('spawn'), []);
  });

  it('keeps the backoff of a worker that crashed', () => {
    const story = serving();
    story.exited(1);
    const life = generationOf(story.state, 1)?.workers[0]?.life;
    restart(story);
    assert.deepEqual(generationOf(story.state, 1)?.workers[0]?.life, life);
  });

  for (const [step, story] of Object.entries({
    starting: () => handingOver({ gates: ['http'] }),
    preview: () => handingOver({}, { preview: true }),
    canary: () => handingOver(CANARY),
  })) {
    it(`rolls back a candidate in step ${step}`, () => {
      const current = story();
      assert.equal(current.state.handover?.step.name, step);
      restart(current);
      const { outcome, failure } = current.verdict('t') ?? {};
      assert.equal(outcome, 'rolled_back');
      assert.equal(failure?.step, 'supervisor');
      assert.equal(failure?.reason, 'zero (pid 7) was restarted before generation 2 was promoted');
      assert.equal(current.stage(1), 'serving');
      assert.deepEqual(main(current), [0]);
      current.pass(20_000);
      assert.deepEqual(
        current.take('signal').map(({ generation }) => generation),
        [2],
      );
    });
  }

  it('rolls back a candidate that is being promoted, before the kernel has confirmed it', () => {
    const story = handingOver({}, { preview: true });
    const { handover } = story.state;
    assert.ok(handover);
    handover.step = { name: 'promoting', candidate: 2 };
    restart(story);
    assert.equal(story.verdict('t')?.outcome, 'rolled_back');
    assert.deepEqual(steerings(story), [[0]]);
  });

  it('promotes a candidate that passed its gates where the incumbent is dead', () => {
    const story = handingOver({}, { preview: true });
    restart(story, [1]);
    assert.equal(story.stage(2), 'serving');
    assert.deepEqual(main(story), [1]);
    assert.equal(story.verdict('t')?.outcome, 'promoted');
  });

  it('continues a soak until its time has expired', () => {
    const story = handingOver({ handover: { soak: 5_000 } });
    const { step } = story.state.handover ?? {};
    story.pass(2_000);
    restart(story);
    assert.deepEqual(story.state.handover?.step, step);
    story.pass(4_000);
    assert.equal(story.state.handover, null);
    assert.equal(story.stage(1), 'retiring');
  });

  it('rolls back a soaking candidate that has exited in the meantime', () => {
    const story = handingOver({ handover: { soak: 5_000 } });
    restart(story, [2]);
    assert.equal(story.verdict('t')?.outcome, 'rolled_back');
    assert.equal(story.stage(1), 'serving');
  });

  it('continues a first start', () => {
    const story = new Story({ gates: ['http'] });
    story.request('start');
    story.resolved();
    story.spawned();
    restart(story);
    assert.equal(story.verdict('start'), undefined);
    story.tell({ type: 'gate_passed', generation: 1, worker: 0, incarnation: 1, gate: 'http' });
    assert.equal(story.stage(1), 'serving');
    assert.equal(story.verdict('start')?.outcome, 'promoted');
  });

  it('ends a handover without a candidate, and begins the waiting one', () => {
    const story = serving();
    story.request('one');
    story.request('two', { preview: true });
    restart(story);
    const { outcome, failure } = story.verdict('one') ?? {};
    assert.equal(outcome, 'failed');
    assert.match(failure?.reason ?? '', /nothing was changed/);
    assert.equal(story.state.handover?.request.callers[0]?.ticket, 'two');
    assert.equal(story.state.handover?.step.name, 'resolving');
    assert.deepEqual(
      story.take('resolve').map(({ handover }) => handover),
      [3],
    );
  });

  it('does not roll back after an upgrade in place', () => {
    const story = handingOver(CANARY);
    restart(story, [], { planned: true });
    assert.equal(candidateOf(story.state.handover), 2);
    assert.equal(story.state.handover?.step.name, 'canary');
  });

  it('asks a worker to stop once, unless the signal may not have been sent', () => {
    const story = serving();
    story.tell({ type: 'stop', by: 'operator', now: false });
    assert.deepEqual(
      story.take('signal').map(({ pid }) => pid),
      [100],
    );
    restart(story);
    assert.deepEqual(story.take('signal'), []);
    const key = { generation: 1, worker: 0, incarnation: 1 };
    restart(story, [], { unsent: [{ ...key, signal: 'SIGTERM' }] });
    assert.deepEqual(
      story.take('signal').map(({ pid, signal }) => ({ pid, signal })),
      [{ pid: 100, signal: 'SIGTERM' }],
    );
    restart(story, [], { unsent: [{ ...key, signal: null }] });
    assert.deepEqual(story.take('kill'), [], 'SIGKILL was never ordered');
  });

  it('grants a worker its full time again if SIGKILL may not have been sent', () => {
    const story = serving();
    story.tell({ type: 'stop', by: 'operator', now: true });
    const key = { generation: 1, worker: 0, incarnation: 1 };
    story.clock += 30_000;
    restart(story, [], { unsent: [{ ...key, signal: null }] });
    assert.deepEqual(
      story.take('kill').map(({ pid }) => pid),
      [100],
    );
    assert.deepEqual(story.facts('error'), []);
    story.wait();
    assert.match(story.facts('error')[0]?.message ?? '', /still running 10 s after SIGKILL/);
  });

  it('checks the queue of a lane that may have received a late handshake', () => {
    const story = serving();
    story.state.lanes[1] = { state: { name: 'away', since: story.clock }, waiting: false };
    // The time for late handshakes passes while no supervisor runs.
    story.clock += 100_000;
    restart(story);
    assert.deepEqual(
      story.take('attend').map(({ lanes }) => lanes),
      [[1]],
    );
    story.effects = [];
    story.tell({ type: 'lane_empty', lane: 1 });
    assert.deepEqual(
      story.take('attend').map(({ lanes }) => lanes),
      [[]],
    );
  });

  it('continues a stop', () => {
    const story = serving();
    story.tell({ type: 'stop', by: 'operator', now: false });
    restart(story, [1]);
    assert.deepEqual(story.take('exit'), [{ type: 'exit', exit: OK }]);
  });

  it('waits for a hook whose process is known, and ends one whose process is unknown', () => {
    const hooked = () => handingOver({ hooks: { afterPromote: 5_000 } });
    const known = hooked();
    const hook = known.state.hooks[0]?.run.hook ?? 0;
    restart(known, [], { hooks: [hook] });
    assert.deepEqual(known.take('run_hook'), []);
    known.tell({ type: 'hook_finished', hook, exit: OK, reason: null, output: [] });
    assert.notEqual(known.state.hooks[0]?.run.hook, hook);
    const unknown = hooked();
    restart(unknown);
    assert.notEqual(unknown.state.hooks[0]?.run.hook, hook);
    assert.match(unknown.facts('hook_finished')[0]?.failure?.reason ?? '', /its exit status is unknown/);
    assert.ok(unknown.take('run_hook').every((run) => run.hook !== hook));
  });

  it('repeats a verdict that may not have been delivered', () => {
    const story = handingOver({}, { preview: true });
    story.tell({ type: 'abort', by: 'operator', ticket: null });
    const verdict = story.take('concluded').at(-1)?.verdict;
    assert.ok(verdict);
    restart(story, [], { concluded: [verdict] });
    assert.deepEqual(
      story.take('concluded').map(({ verdict: { handover, outcome } }) => ({ handover, outcome })),
      [{ handover: 2, outcome: 'aborted' }],
    );
  });

  it('retires workers that had not joined yet', () => {
    const story = serving();
    story.tell({ type: 'scale', by: 'operator', ticket: 's', workers: 2, timeout: null });
    story.tell({ type: 'spawned', generation: 1, worker: 1, incarnation: 1, pid: 201 });
    story.state.join = null;
    const joining = generationOf(story.state, 1)?.workers[1];
    if (joining) Object.assign(joining, { membership: 'joining' });
    restart(story);
    assert.equal(generationOf(story.state, 1)?.workers[1]?.membership, 'leaving');
    assert.deepEqual(main(story), [0]);
  });
});

describe('a worker that waits for READY=1 while the supervisor is restarted', () => {
  const NOTIFY: Changes = { gates: ['notify'], readinessTimeout: 5_000 };

  it('is replaced once if its generation serves and the report does not arrive', () => {
    const story = serving(NOTIFY);
    const generation = generationOf(story.state, 1);
    assert.ok(generation);
    generation.settings = { ...generation.settings, gates: ['notify'], readinessTimeout: 5_000 };
    story.exited(1);
    story.wait();
    story.tell({ type: 'spawned', generation: 1, worker: 0, incarnation: 2, pid: 200 });
    restart(story);
    story.pass(4_000);
    assert.equal(story.facts('notify_lost').length, 0);
    story.pass(1_000);
    assert.deepEqual(
      story.facts('notify_lost').map(({ worker, pid }) => ({ worker, pid })),
      [{ worker: 0, pid: 200 }],
    );
    assert.deepEqual(
      story.take('spawn').map(({ worker, joins }) => ({ worker, joins })),
      [{ worker: 1, joins: true }],
    );
    story.pass(60_000);
    assert.equal(story.facts('notify_lost').length, 1);
  });

  it('is killed in a first start, so that it is started again', () => {
    const story = new Story(NOTIFY);
    story.request('start');
    story.resolved();
    story.spawned();
    restart(story);
    story.pass(5_000);
    assert.deepEqual(
      story.take('kill').map(({ pid }) => pid),
      [100],
    );
  });

  it('is kept if the report arrives', () => {
    const story = new Story(NOTIFY);
    story.request('start');
    story.resolved();
    story.spawned();
    restart(story);
    story.tell({ type: 'gate_passed', generation: 1, worker: 0, incarnation: 1, gate: 'notify' });
    story.pass(60_000);
    assert.equal(story.stage(1), 'serving');
    assert.deepEqual(story.facts('notify_lost'), []);
  });
});

describe('the keeper', () => {
  it('is requested when the set of sockets changes, and again when it is lost', () => {
    const story = serving();
    story.refuses = ({ type }) => (type === 'keep_sockets' ? 'EAGAIN' : null);
    story.tell({ type: 'sockets_changed', version: 3 });
    assert.deepEqual(story.take('keep_sockets'), [{ type: 'keep_sockets', version: 3 }]);
    assert.equal(story.facts('keeper_lost').length, 1);
    story.wait();
    assert.equal(story.take('keep_sockets').length, 1);
    assert.equal(story.facts('keeper_lost').length, 1, 'reported once');
    story.refuses = () => null;
    story.wait();
    assert.equal(story.state.retries.keeper, undefined);
    const effect = { type: 'keep_sockets', version: 2 } as const;
    story.tell({ type: 'failed', effect, failure: { step: 'keep sockets', reason: 'of an earlier set' } });
    assert.equal(story.state.retries.keeper, undefined);
  });
});
