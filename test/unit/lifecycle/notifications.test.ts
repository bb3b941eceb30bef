import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Continued } from '../../../src/lifecycle/events.ts';
import type { HookSettings } from '../../../src/lifecycle/settings.ts';
import { type Changes, OK, type Story, serving } from './story.ts';

const ALL: Partial<HookSettings> = {
  onCrashLoop: 600_000,
  onWorkerStalled: 1000,
  onLateRollback: 1000,
  onRecovery: 1000,
};

function withHooks(changes: Changes = {}): Story {
  return serving({ hooks: ALL, ...changes });
}

function hookEnded(story: Story, hook: number): void {
  story.tell({ type: 'hook_finished', hook, exit: OK, reason: null, output: [] });
}

/** The worker crashes, and is restarted after its delay. */
function crash(story: Story, worker = 0): void {
  const { incarnation } = story.state.generations[0]?.workers[worker] ?? { incarnation: 0 };
  const key = { generation: 1, worker, incarnation };
  const exit = { kind: 'exited', code: 3 } as const;
  story.tell({ type: 'exited', ...key, exit, usage: null, leftovers: 0, output: [], explained: null });
  while (story.state.generations[0]?.workers[worker]?.life.name === 'backoff') story.wait();
  story.tell({ type: 'spawned', pid: 500, ...key, incarnation: incarnation + 1 });
}

test('a crash loop runs its hook once, and again after the worker was stable', () => {
  const story = withHooks();
  for (let crashes = 0; crashes < 4; crashes += 1) crash(story);
  assert.deepEqual(story.take('run_hook'), []);
  for (let crashes = 0; crashes < 10; crashes += 1) crash(story);
  const [run, ...more] = story.take('run_hook');
  assert.deepEqual(more, []);
  assert.deepEqual(run, {
    type: 'run_hook',
    hook: 1,
    name: 'on_crash_loop',
    of: { generation: 1 },
    handover: null,
    generation: 1,
    path: '/bin/service',
    incumbent: 1,
    outcome: null,
    notice: { worker: 0, cause: null, reason: 'worker 0 was restarted 5 times in a row: exited with code 3' },
  });
  assert.equal(story.facts('crash_loop').length, 1);
  hookEnded(story, 1);
  for (let crashes = 0; crashes < 10; crashes += 1) crash(story);
  assert.deepEqual(story.take('run_hook'), []);
  // It has run for longer than `reset_after`.
  story.pass(120_000);
  for (let crashes = 0; crashes < 7; crashes += 1) crash(story);
  assert.deepEqual(
    story.take('run_hook').map(({ name, hook }) => [name, hook]),
    [['on_crash_loop', 2]],
  );
});

test('workers of one generation that crash together are one crash loop', () => {
  const story = withHooks({ workers: 3 });
  for (let crashes = 0; crashes < 8; crashes += 1) for (const worker of [0, 1, 2]) crash(story, worker);
  assert.equal(story.take('run_hook').length, 1);
  assert.equal(story.facts('crash_loop').length, 1);
});

test('a hung worker runs its hook, and not again while that hook runs', () => {
  const story = withHooks({ workers: 2 });
  const stalled = (worker: number) => story.tell({ type: 'stalled', generation: 1, worker, incarnation: 1 });
  const recovered = () => story.tell({ type: 'recovered', generation: 1, worker: 0, incarnation: 1 });
  stalled(0);
  const [run] = story.take('run_hook');
  assert.deepEqual([run?.name, run?.notice?.worker, run?.outcome], ['on_worker_stalled', 0, null]);
  assert.match(run?.notice?.reason ?? '', /worker 0 is hung: connections wait for it .* for 10s/);
  recovered();
  stalled(0);
  stalled(1);
  assert.deepEqual(story.take('run_hook'), []);
  hookEnded(story, 1);
  recovered();
  stalled(0);
  assert.equal(story.take('run_hook').length, 1);
});

test('a rollback in the soak runs the hooks of the generation that serves again', () => {
  const story = withHooks({ handover: { soak: 10_000 }, hooks: { ...ALL, afterRollback: 1000 } });
  story.reload('t');
  story.spawned();
  assert.equal(story.state.handover?.step.name, 'soak');
  story.exited(2);
  const runs = story.take('run_hook');
  assert.deepEqual(
    runs.map(({ name, of, handover, generation, incumbent, outcome }) => [
      name,
      of,
      handover,
      generation,
      incumbent,
      outcome,
    ]),
    [
      ['after_rollback', { generation: 1 }, 2, 2, 1, 'rolled_back'],
      ['on_late_rollback', { generation: 1 }, 2, 2, 1, 'rolled_back'],
    ],
  );
  assert.deepEqual(runs[1]?.notice, { worker: 0, cause: 'exit', reason: 'exited with code 1' });
});

test('a rollback after the handover runs its hook, and an abort of the soak does not', () => {
  const late = withHooks();
  late.reload('t');
  late.spawned();
  assert.equal(late.state.handover, null);
  late.exited(2);
  assert.equal(late.facts('generation_rolled_back').length, 1);
  assert.deepEqual(
    late.take('run_hook').map(({ name, handover }) => [name, handover]),
    [['on_late_rollback', null]],
  );

  const aborted = withHooks({ handover: { soak: 10_000 } });
  aborted.reload('t');
  aborted.spawned();
  aborted.tell({ type: 'abort', by: 'test', ticket: null });
  assert.deepEqual(aborted.take('run_hook'), []);
});

test('a candidate that is rolled back before its promotion runs no notification', () => {
  const story = withHooks({ gates: ['accept'] });
  story.reload('t');
  story.spawned();
  story.exited(2);
  assert.deepEqual(story.take('run_hook'), []);
});

function continued(story: Story, changes: Partial<Continued> = {}): void {
  const workers = story.state.generations.flatMap(({ id: generation, workers }) =>
    workers.flatMap(({ index: worker, incarnation, life }) =>
      life.name === 'up'
        ? [{ generation, worker, incarnation, found: 'running' as const, pid: life.pid }]
        : [],
    ),
  );
  const none = { hooks: [], unsent: [], concluded: [] };
  story.tell({ type: 'continued', workers, ...none, previous: 77, planned: false, ...changes });
}

test('a recovery of the supervisor runs its hook, and an upgrade does not', () => {
  const story = withHooks();
  continued(story);
  const [run, ...more] = story.take('run_hook');
  assert.deepEqual(more, []);
  assert.equal(run?.name, 'on_recovery');
  assert.equal(run?.notice?.reason, 'the supervisor (pid 77) died, and another one continues its service');
  // The next supervisor finds that hook running, and the one after that does not.
  continued(story, { hooks: [1] });
  assert.deepEqual(story.take('run_hook'), []);
  continued(story);
  assert.equal(story.take('run_hook').length, 1);

  const upgraded = withHooks();
  continued(upgraded, { planned: true });
  assert.deepEqual(upgraded.take('run_hook'), []);
});

test('no handover waits for a notification, and a stop ends it', () => {
  const story = withHooks({ hooks: { ...ALL, beforeReload: 1000, afterPromote: null } });
  story.tell({ type: 'stalled', generation: 1, worker: 0, incarnation: 1 });
  story.reload('t');
  assert.deepEqual(
    story.take('run_hook').map(({ name }) => name),
    ['on_worker_stalled', 'before_reload'],
  );
  hookEnded(story, 2);
  story.spawned();
  assert.equal(story.state.incumbent, 2);
  story.tell({ type: 'stop', by: 'test', now: false });
  assert.deepEqual(story.take('kill_hook'), [{ type: 'kill_hook', hook: 1 }]);
});

test('a notification that takes too long is killed, and its failure has no effect', () => {
  const story = withHooks();
  story.tell({ type: 'stalled', generation: 1, worker: 0, incarnation: 1 });
  assert.equal(story.wait(), 1000);
  assert.deepEqual(story.take('kill_hook'), [{ type: 'kill_hook', hook: 1 }]);
  hookEnded(story, 1);
  const [finished] = story.facts('hook_finished');
  assert.equal(finished?.failure?.reason, 'it was not finished after 1s and was killed');
  assert.equal(story.stage(1), 'serving');
});
