import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExitStatus } from '../../../src/lifecycle/facts.ts';
import type { HookSettings } from '../../../src/lifecycle/settings.ts';
import { KILL_TIME } from '../../../src/lifecycle/stopping.ts';
import { OK, Story } from './story.ts';

const PLAIN = { handover: { steered: false } } as const;

class HookStory extends Story {
  constructor(hooks: Partial<HookSettings>) {
    super({ ...PLAIN, hooks });
  }

  hookEnded(hook: number, exit: ExitStatus | null = OK, reason: string | null = null): void {
    this.tell({ type: 'hook_finished', hook, exit, reason, output: ['a line'] });
  }
}

function serving(hooks: Partial<HookSettings>): HookStory {
  const story = new HookStory(hooks);
  story.reload('first');
  story.spawned();
  story.take('spawn');
  return story;
}

test('the first start runs no reload hooks', () => {
  const story = serving({ beforeReload: 1000 });
  assert.deepEqual(story.take('run_hook'), []);
  assert.equal(story.verdict('first')?.outcome, 'promoted');
});

test('nothing is started before the before-hook is done', () => {
  const story = serving({ beforeReload: 1000 });
  story.reload('t');
  const [run] = story.take('run_hook');
  assert.deepEqual(run, {
    type: 'run_hook',
    hook: 1,
    name: 'before_reload',
    of: { handover: 2 },
    handover: 2,
    generation: 2,
    path: '/bin/service',
    incumbent: 1,
    outcome: null,
  });
  assert.deepEqual(story.take('spawn'), []);
  story.hookEnded(1);
  assert.deepEqual(
    story.take('spawn').map(({ generation }) => generation),
    [2],
  );
});

const FAILURES: readonly [string, ExitStatus | null, string | null, string][] = [
  ['exits with another code than 0', { kind: 'exited', code: 7 }, null, 'exited with code 7'],
  ['is killed', { kind: 'signaled', signal: 'SIGTERM', coreDumped: false }, null, 'was killed by SIGTERM'],
  ['cannot be started', null, 'start x: EAGAIN', 'start x: EAGAIN'],
];

for (const [what, exit, reason, expected] of FAILURES) {
  test(`a before-hook that ${what} ends the handover, and the incumbent keeps serving`, () => {
    const story = serving({ beforeReload: 1000, afterRollback: 1000 });
    story.reload('t');
    story.take('run_hook');
    story.hookEnded(1, exit, reason);
    assert.deepEqual(
      [story.verdict('t')?.outcome, story.verdict('t')?.failure?.step, story.verdict('t')?.failure?.reason],
      ['failed', 'hook.before_reload', expected],
    );
    assert.deepEqual(story.take('discard'), [{ type: 'discard', handover: 2 }]);
    // Nothing was started, so nothing was rolled back.
    assert.deepEqual([...story.take('spawn'), ...story.take('run_hook')], []);
    assert.equal(story.state.incumbent, 1);
  });
}

test('a hung hook is killed at its timeout, and nothing waits for one that survives SIGKILL', () => {
  const story = serving({ beforeReload: 1000 });
  story.reload('t');
  assert.equal(story.wait(), 1000);
  assert.deepEqual(story.take('kill_hook'), [{ type: 'kill_hook', hook: 1 }]);
  assert.equal(story.verdict('t'), undefined);
  assert.equal(story.wait(), 1000 + KILL_TIME);
  assert.match(
    story.verdict('t')?.failure?.reason ?? '',
    /not finished after 1s, and SIGKILL did not end it/,
  );
  // Its later exit has no effect.
  story.hookEnded(1);
  assert.deepEqual(story.take('spawn'), []);
});

test('a verdict waits for the after-hook, and reports its failure', () => {
  const story = serving({ afterPromote: 1000 });
  assert.equal(story.verdict('first'), undefined);
  story.hookEnded(1, { kind: 'exited', code: 1 });
  const verdict = story.verdict('first');
  assert.deepEqual([verdict?.outcome, verdict?.failure], ['promoted', null]);
  assert.deepEqual(verdict?.hook, {
    step: 'hook.after_promote',
    reason: 'exited with code 1',
    exit: { kind: 'exited', code: 1 },
    output: ['a line'],
  });
  assert.equal(story.state.incumbent, 1);
});

test('a hook after a rollback receives both generations', () => {
  const story = serving({ afterRollback: 1000 });
  story.reload('t');
  const failure = { step: 'spawn', reason: 'EAGAIN' };
  story.tell({ type: 'spawn_failed', generation: 2, worker: 0, incarnation: 1, failure });
  const [run] = story.take('run_hook');
  assert.deepEqual(
    [run?.name, run?.of, run?.generation, run?.incumbent, run?.outcome],
    ['after_rollback', { generation: 1 }, 2, 1, 'rolled_back'],
  );
  assert.equal(story.verdict('t'), undefined);
  story.hookEnded(1);
  assert.equal(story.verdict('t')?.outcome, 'rolled_back');
  assert.equal(story.verdict('t')?.hook, undefined);
});

test('after-hooks run one after the other, and the next handover does not wait for them', () => {
  const story = serving({ afterPromote: 1000, beforeReload: 1000 });
  story.take('run_hook');
  story.reload('t');
  assert.equal(story.state.handover?.step.name, 'before_reload');
  assert.deepEqual(story.take('run_hook'), []);
  story.hookEnded(1);
  assert.deepEqual(
    story.take('run_hook').map(({ name }) => name),
    ['before_reload'],
  );
});

test('an abort ends the before-hook, a stop ends every hook, and waiting callers receive an answer', () => {
  const aborted = serving({ beforeReload: 1000 });
  aborted.reload('t');
  aborted.tell({ type: 'abort', by: 'test', ticket: null });
  assert.deepEqual(aborted.take('kill_hook'), [{ type: 'kill_hook', hook: 1 }]);
  assert.equal(aborted.verdict('t')?.outcome, 'aborted');

  const stopped = serving({ afterPromote: 1000 });
  stopped.tell({ type: 'stop', by: 'test', now: false });
  assert.deepEqual(stopped.take('kill_hook'), [{ type: 'kill_hook', hook: 1 }]);
  assert.equal(stopped.verdict('first')?.outcome, 'promoted');
  assert.match(stopped.verdict('first')?.hook?.reason ?? '', /stopped by test/);
});

test('a rollback to the previous release is refused during a handover', () => {
  const story = serving({});
  story.reload('t');
  const how = { preview: false, replace: false, timeout: null, label: null };
  story.tell({ type: 'reload', by: 'test', ticket: 'back', ...how, rollback: { to: null } });
  const { outcome, failure } = story.verdict('back') ?? {};
  assert.deepEqual([outcome, failure?.step], ['failed', 'rollback']);
  assert.match(
    failure?.reason ?? '',
    /handover 2 is in progress .* "zero abort" returns to generation 1 at once/,
  );
  story.tell({ type: 'reload', by: 'test', ticket: 'named', ...how, rollback: { to: 1 } });
  assert.deepEqual(story.state.pending?.wants.rollback, { to: 1 });
});
