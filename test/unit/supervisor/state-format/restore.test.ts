import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readState } from '../../../../src/supervisor/state-format/read.ts';
import { stateOf } from '../../../../src/supervisor/state-format/restore.ts';
import type { Situation } from '../../../../src/supervisor/state-format/write.ts';
import { StateText } from '../../../../src/supervisor/state-format/write-text.ts';
import { RECORDED, SAMPLES, SUPERVISOR, sample, stateIn } from './support.ts';

for (const [name, text] of SAMPLES) {
  test(`${name}: the recorded state is written as the same document`, () => {
    const saved = stateIn(text);
    const situation: Situation = {
      state: stateOf(saved),
      processes: [],
      listeners: [],
      verifyOf: () => undefined,
    };
    const read = readState(new StateText().of(SUPERVISOR, situation), RECORDED);
    if ('problem' in read) assert.fail(read.problem.message);
    const { generations, handover, pending_request, hooks, lanes, steering, owed_verdicts, incumbent } =
      read.state;
    assert.deepEqual(stateOf(read.state), situation.state);
    assert.equal(incumbent, saved.incumbent);
    assert.deepEqual(lanes, saved.lanes);
    assert.deepEqual(steering, saved.steering);
    assert.deepEqual(
      generations.map(({ generation, stage }) => ({ generation, stage })),
      saved.generations.map(({ generation, stage }) => ({ generation, stage })),
    );
    assert.equal(handover?.step.name, saved.handover?.step.name);
    assert.equal(pending_request === null, saved.pending_request === null);
    assert.deepEqual(
      hooks.map(({ hook }) => hook),
      saved.hooks.map(({ hook }) => hook),
    );
    assert.equal(owed_verdicts.length, saved.owed_verdicts.length);
  });
}

test('a request without a number, as earlier releases wrote it, gets the next one', () => {
  const saved = stateIn(sample('1-canary'));
  const { pending, nextHandover, handover } = stateOf(saved);
  assert.equal(pending?.id, saved.next_numbers.handover);
  assert.equal(nextHandover, saved.next_numbers.handover + 1);
  assert.equal(handover?.request.id, saved.handover?.handover);
});

test('a step without the result of its check waits for a check if it has one', () => {
  const { handover, generations } = stateOf(stateIn(sample('1-soak')));
  assert.ok(handover?.step.name === 'soak');
  const { candidate, verified } = handover.step;
  const found = generations.find(({ id }) => id === candidate);
  assert.equal(verified, !found?.settings.handover.verify);
});
