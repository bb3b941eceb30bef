import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planFor } from '../../../../src/listeners/lanes/lane-plan.ts';
import { to } from './lane-support.ts';

const NOBODY = () => null;

test('unassigned lanes are used in their order', () => {
  const canary = { percent: 5, by: 'address', lanes: [2] } as const;
  const wanted = to([0, 1], { canary, preview: [2], previewFrom: ['127.7.7.7'] });
  assert.deepEqual(planFor(wanted, null, NOBODY, []), {
    main: [0, 1],
    canary,
    preview: { lanes: [2], from: ['127.7.7.7'] },
  });
});

test('a preview without addresses is omitted', () => {
  assert.equal(planFor(to([0], { preview: [1] }), null, NOBODY, []).preview, null);
});

test('a listener that the candidate does not have stays with the incumbent', () => {
  const has = (lane: number) => lane === 0;
  const before = { main: [0], canary: null, preview: null };
  const canary = { percent: 50, by: 'connection', lanes: [1] } as const;
  assert.deepEqual(
    planFor(to([0], { canary, preview: [1], previewFrom: ['::1'] }), before, has, [0, 1]),
    before,
  );
  assert.deepEqual(planFor(to([1]), before, has, [0, 1]), before);
});

test('a listener that only the candidate has is steered to it', () => {
  const has = (lane: number) => lane >= 2;
  assert.deepEqual(planFor(to([0, 1]), null, has, [0, 1, 2, 3]).main, [2, 3]);
});
