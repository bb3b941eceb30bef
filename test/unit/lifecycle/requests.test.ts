import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openHandovers } from '../../../src/lifecycle/requests.ts';
import { OK, Story, serving } from './story.ts';

const outcomes = (story: Story, ...tickets: string[]) =>
  tickets.map((ticket) => story.verdict(ticket)?.outcome);

describe('a caller with a deadline', () => {
  it('receives in_progress at its deadline if a signal also waits for the handover', () => {
    const story = serving({ gates: ['notify'] });
    story.request(null, { by: 'SIGHUP' });
    story.resolved();
    story.request('cli', { timeout: 3_000 });
    story.pass(2_999);
    assert.equal(story.verdict('cli'), undefined);
    story.pass(1);
    const { outcome, failure, handover } = story.verdict('cli') ?? {};
    assert.deepEqual([outcome, handover], ['in_progress', 2]);
    assert.match(
      failure?.reason ?? '',
      /^--timeout 3s expired\. Handover 2 is still in progress \(step starting\), because SIGHUP waits/,
    );
    assert.equal(story.state.pending, null);
    assert.equal(story.state.handover?.id, 2);
  });

  it('keeps its deadline next to a longer one: the shorter one gets in_progress, the last one ends the handover', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('short', { timeout: 2_000 });
    story.request('long', { timeout: 8_000 });
    story.pass(2_000);
    assert.deepEqual(outcomes(story, 'short', 'long'), ['in_progress', undefined]);
    assert.equal(story.state.handover?.id, 2);
    story.pass(6_000);
    assert.deepEqual(outcomes(story, 'long'), ['timed_out']);
    assert.equal(story.state.handover, null);
    assert.equal(story.stage(1), 'serving');
  });

  it('ends the handover with the open gates if no other caller waits', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('only', { timeout: 1_500 });
    story.spawned();
    story.pass(1_500);
    const { outcome, failure, incumbent } = story.verdict('only') ?? {};
    assert.deepEqual([outcome, incumbent], ['timed_out', 1]);
    assert.equal(failure?.reason, '--timeout 1.5s expired in step starting: worker 0 waits for notify');
  });

  it('receives in_progress after the promotion, until the old generation is asked to stop', () => {
    const story = serving({ handover: { settle: 5_000 } });
    story.reload('cli', { timeout: 1_000 });
    story.spawned();
    story.pass(1_000);
    const { outcome, failure } = story.verdict('cli') ?? {};
    assert.equal(outcome, 'in_progress');
    assert.match(
      failure?.reason ?? '',
      /Generation 2 is promoted, but generation 1 has not been asked to stop yet/,
    );
    assert.equal(story.stage(2), 'serving');
  });

  it('loses its place in the queue, and does not end the handover before it', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('one');
    story.request('other', { rollback: { to: 1 }, timeout: 1_000 });
    story.pass(1_000);
    const { outcome, failure } = story.verdict('other') ?? {};
    assert.equal(outcome, 'timed_out');
    assert.match(failure?.reason ?? '', /expired while the request waited behind handover 2$/);
    assert.equal(story.state.handover?.id, 2);
  });
});

describe('requests during a handover', () => {
  it('are merged if they are equal', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('one');
    story.request('two');
    story.request('three');
    assert.deepEqual(
      story.state.pending?.callers.map(({ ticket }) => ticket),
      ['two', 'three'],
    );
    assert.deepEqual(outcomes(story, 'two', 'three'), [undefined, undefined]);
  });

  for (const [first, second] of [
    [{ rollback: { to: 1 } }, {}],
    [{}, { rollback: { to: 1 } }],
    [{ preview: true }, {}],
    [{}, { preview: true }],
    [{ rollback: { to: 1 } }, { rollback: { to: 2 } }],
  ]) {
    it(`${JSON.stringify(first)} is replaced by ${JSON.stringify(second)}`, () => {
      const story = serving({ gates: ['notify'] });
      story.reload('running');
      story.request('first', first);
      story.request('second', second);
      const { outcome, failure } = story.verdict('first') ?? {};
      assert.deepEqual([outcome, failure?.step], ['superseded', 'queue']);
      assert.deepEqual(
        story.state.pending?.callers.map(({ ticket }) => ticket),
        ['second'],
      );
    });
  }

  it('begin when the handover before them has ended', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('one');
    story.spawned();
    story.request('two');
    story.exited(2);
    assert.deepEqual(outcomes(story, 'one'), ['rolled_back']);
    assert.equal(story.state.handover?.id, 3);
  });

  it('end it with --replace', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('one');
    story.request('two', { replace: true });
    assert.deepEqual(outcomes(story, 'one', 'two'), ['superseded', undefined]);
    assert.equal(story.state.handover?.id, 3);
  });
});

describe('the verdict promoted', () => {
  it('is sent when the old generation has been asked to stop', () => {
    const story = serving();
    story.reload('cli');
    story.spawned();
    assert.equal(story.facts('handover_finished').at(-1)?.outcome, 'promoted');
    assert.equal(story.verdict('cli'), undefined);
    story.pass(1_000);
    assert.equal(story.verdict('cli'), undefined);
    story.drained(1);
    assert.equal(story.take('signal').at(-1)?.generation, 1);
    assert.equal(story.verdict('cli')?.outcome, 'promoted');
  });

  it('becomes rolled_back when the new generation dies before that', () => {
    const story = serving();
    story.reload('cli');
    story.spawned();
    story.pass(300);
    story.exited(2);
    const { outcome, incumbent, failure } = story.verdict('cli') ?? {};
    assert.deepEqual([outcome, incumbent, failure?.step], ['rolled_back', 1, 'exit']);
    assert.equal(story.stage(1), 'serving');
  });

  it('reports that nothing serves, and when the next attempt follows', () => {
    const story = new Story();
    story.reload('first');
    story.spawned();
    story.exited(1);
    story.request('second');
    story.tell({ type: 'resolve_failed', handover: 2, failure: { step: 'config', reason: 'bad' } });
    const { incumbent, down } = story.verdict('second') ?? {};
    assert.deepEqual([incumbent, down], [1, { retryIn: 100 }]);
  });
});

describe('promote and abort', () => {
  const answers = (story: Story) => story.take('answer').map(({ refusal }) => refusal);

  it('report the current step of the handover', () => {
    const story = serving({ gates: ['notify'], handover: { canary: [{ percent: 5, for: 1_000 }] } });
    const promote = { type: 'promote', by: 'zero promote', ticket: 'p' } as const;
    story.tell(promote);
    assert.deepEqual(answers(story), ['no handover is in progress']);
    story.request('cli');
    story.tell(promote);
    assert.deepEqual(answers(story), ['handover 2 has no candidate yet (step resolving)']);
    story.resolved();
    story.tell(promote);
    assert.match(answers(story)[0] ?? '', /^generation 2 is not ready \(handover 2, step starting\)/);
  });
});

describe('the number of a handover', () => {
  const accepted = (story: Story) => story.take('accepted').map(({ ticket, handover }) => [ticket, handover]);
  const concluded = (story: Story) =>
    story.take('concluded').map(({ verdict }) => [verdict.handover, verdict.outcome]);

  it('is assigned to the request at once, also while it waits; equal requests share it', () => {
    const story = serving({ gates: ['notify'] });
    story.take('accepted');
    story.request('one');
    story.request('two');
    story.request('three');
    assert.deepEqual(accepted(story), [
      ['one', 2],
      ['two', 3],
      ['three', 3],
    ]);
    assert.deepEqual(openHandovers(story.state), [2, 3]);
    story.resolved();
    story.spawned();
    story.exited(2);
    assert.equal(story.state.handover?.id, 3);
    assert.deepEqual(concluded(story).at(-1), [2, 'rolled_back']);
  });

  it('is concluded when the verdict is final, also if only a signal requested it', () => {
    const story = serving();
    story.take('concluded');
    story.request(null, { by: 'SIGHUP' });
    story.resolved();
    story.spawned();
    assert.deepEqual([concluded(story), openHandovers(story.state)], [[], [2]]);
    story.pass(1_000);
    story.drained(1);
    assert.deepEqual([concluded(story), openHandovers(story.state)], [[[2, 'promoted']], []]);
  });

  it('is concluded although its last caller disconnected after the promotion', () => {
    const story = serving({ handover: { settle: 5_000 } });
    story.take('concluded');
    story.reload('cli', { timeout: 1_000 });
    story.spawned();
    story.pass(1_000);
    assert.equal(story.verdict('cli')?.outcome, 'in_progress');
    assert.deepEqual(openHandovers(story.state), [2]);
    story.pass(4_000);
    story.drained(1);
    assert.deepEqual(concluded(story), [[2, 'promoted']]);
  });

  it('is concluded if its request is replaced, withdrawn or refused', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('running');
    story.take('concluded');
    story.request('replaced', { preview: true });
    story.request('withdrawn', { rollback: { to: 1 }, timeout: 1_000 });
    assert.deepEqual(concluded(story), [[3, 'superseded']]);
    story.pass(1_000);
    assert.deepEqual(concluded(story), [[4, 'timed_out']]);
    story.request('refused', { rollback: { to: null } });
    assert.deepEqual(concluded(story), [[5, 'failed']]);
    assert.equal(story.verdict('refused')?.handover, 5);
    assert.deepEqual(openHandovers(story.state), [2]);
  });

  it('is concluded as aborted by a stop, also for the waiting and for a later request', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('running');
    story.request('waiting', { preview: true });
    story.take('concluded');
    story.tell({ type: 'stop', by: 'SIGTERM', now: false });
    story.request('late');
    assert.deepEqual(concluded(story), [
      [2, 'aborted'],
      [3, 'aborted'],
      [4, 'aborted'],
    ]);
  });

  it('is in the facts, with the origin of the request', () => {
    const story = serving({ gates: ['notify'] });
    story.request('cli');
    story.request(null, { by: 'watch' });
    assert.deepEqual(
      story.facts('reload_requested').map(({ by, handover, merged }) => [by, handover, merged]),
      [
        ['zero reload', 2, false],
        ['watch', 3, true],
      ],
    );
    assert.deepEqual(
      story.facts('handover_started').map(({ handover, by }) => [handover, by]),
      [
        [1, 'start'],
        [2, 'zero reload'],
      ],
    );
  });
});

describe('a failed verdict', () => {
  it('has the open gates of every worker of the candidate', () => {
    const story = serving({ gates: ['notify', 'http'], workers: 2 });
    story.reload('cli', { timeout: 1_000 });
    story.spawned(2);
    story.tell({ type: 'gate_passed', gate: 'notify', generation: 2, worker: 0, incarnation: 1 });
    story.pass(1_000);
    const { failure } = story.verdict('cli') ?? {};
    assert.deepEqual([failure?.generation, failure?.worker], [2, 0]);
    assert.deepEqual(failure?.gates, [
      { worker: 0, gate: 'http', reason: null },
      { worker: 1, gate: 'notify', reason: null },
      { worker: 1, gate: 'http', reason: null },
    ]);
  });

  it('reports the candidate that an operator aborted', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('cli');
    story.spawned();
    story.tell({ type: 'abort', by: 'zero abort', ticket: 'a' });
    const { failure } = story.verdict('cli') ?? {};
    assert.deepEqual([failure?.step, failure?.generation, failure?.gates?.length], ['abort', 2, 1]);
  });
});

describe('an abort after the promotion', () => {
  const promoted = () => {
    const story = serving({ hooks: { onLateRollback: 1_000, afterRollback: 1_000 } });
    story.reload('t');
    story.spawned();
    story.take('run_hook');
    return story;
  };

  it('returns to the old generation, and its callers get 12', () => {
    const story = promoted();
    story.tell({ type: 'abort', by: 'zero abort', ticket: 'a' });
    assert.deepEqual([story.stage(1), story.stage(2)], ['serving', 'retiring']);
    assert.deepEqual(
      story.take('answer').map(({ ticket, refusal }) => [ticket, refusal]),
      [['a', null]],
    );
    const hooks = story.take('run_hook');
    assert.deepEqual(
      hooks.map(({ name, outcome }) => [name, outcome]),
      [['after_rollback', 'aborted']],
    );
    story.tell({ type: 'hook_finished', hook: hooks[0]?.hook ?? 0, exit: OK, reason: null, output: [] });
    story.pass(1_000);
    story.drained(2);
    const { outcome, incumbent, failure } = story.verdict('t') ?? {};
    assert.deepEqual([outcome, incumbent, failure?.reason], ['aborted', 1, 'aborted by zero abort']);
  });

  it('is refused once the old generation was asked to stop', () => {
    const story = promoted();
    story.pass(1_000);
    story.drained(1);
    story.tell({ type: 'abort', by: 'zero abort', ticket: 'a' });
    assert.equal(story.stage(2), 'serving');
    assert.deepEqual(
      story.take('answer').map(({ refusal }) => refusal),
      ['no handover is in progress'],
    );
  });
});
