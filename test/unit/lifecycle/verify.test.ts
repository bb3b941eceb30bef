import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextDeadline } from '../../../src/lifecycle/step.ts';
import { type Changes, type Story, serving } from './story.ts';

/** A candidate in its first canary step, at time 0. */
function canary(handover: Changes['handover'] = {}): Story {
  const steps = [
    { percent: 5, for: 1_000 },
    { percent: 50, for: 1_000 },
  ];
  const story = serving({ handover: { canary: steps, verify: true, ...handover } });
  story.reload('deploy');
  story.spawned();
  return story;
}

const checked = (story: Story, passed: boolean, generation = 2) =>
  story.tell({ type: 'verify_checked', generation, passed });

const step = (story: Story) => {
  const now = story.state.handover?.step;
  return now?.name === 'canary' ? `canary ${now.index}` : now?.name;
};

describe('a step with `verify`', () => {
  it('ends on time if its newest check has passed', () => {
    const story = canary();
    checked(story, true);
    story.pass(999);
    assert.equal(step(story), 'canary 0');
    story.pass(1);
    assert.equal(step(story), 'canary 1');
  });

  it('lasts until a check passes within it', () => {
    const story = canary();
    story.pass(10_000);
    assert.equal(step(story), 'canary 0');
    checked(story, false);
    assert.equal(step(story), 'canary 0');
    checked(story, true);
    assert.equal(step(story), 'canary 1');
    // The check belonged to the previous step.
    story.pass(10_000);
    assert.equal(step(story), 'canary 1');
    checked(story, true);
    assert.equal(story.stage(2), 'serving');
  });

  it('lasts while its newest check has failed', () => {
    const story = canary();
    checked(story, true);
    checked(story, false);
    story.pass(10_000);
    assert.equal(step(story), 'canary 0');
    story.tell({ type: 'verify_failed', generation: 2, reason: '3 misses' });
    assert.equal(story.state.handover, null);
    assert.equal(story.verdict('deploy')?.outcome, 'rolled_back');
  });

  it('has no expired deadline while it lasts', () => {
    const story = canary();
    story.pass(10_000);
    assert.ok(nextDeadline(story.state) > story.clock);
  });

  it('ignores the check of another generation', () => {
    const story = canary();
    checked(story, true, 1);
    story.pass(10_000);
    assert.equal(step(story), 'canary 0');
  });

  it('ends immediately when the operator promotes', () => {
    const story = canary();
    story.tell({ type: 'promote', by: 'zero promote', ticket: null });
    assert.equal(story.stage(2), 'serving');
  });

  it('may be the soak', () => {
    const story = canary({ canary: [], soak: 1_000 });
    assert.equal(step(story), 'soak');
    story.pass(10_000);
    assert.equal(step(story), 'soak');
    checked(story, true);
    assert.equal(story.state.handover, null);
  });
});

it('a step without `verify` ends on time', () => {
  const story = canary({ verify: false });
  story.pass(1_000);
  assert.equal(step(story), 'canary 1');
});
