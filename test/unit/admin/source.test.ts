import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shareOf, unready } from '../../../src/admin/source.ts';
import { CANARY, DOWN, statusWith } from './status.ts';

describe('an instance is ready', () => {
  it('when at least one worker serves', () => {
    assert.equal(unready(statusWith()), null);
    assert.equal(unready(CANARY), null);
    assert.equal(unready(statusWith({ service: { ...DOWN, state: 'degraded', workers_serving: 1 } })), null);
  });

  it('not otherwise, and the reason is reported', () => {
    for (const [state, summary] of [
      ['stopping', 'zero is stopping'],
      ['starting', 'generation 1 does not serve yet: it is starting'],
      ['down', 'nothing serves: generation 1 waits for its next start'],
    ] as const)
      assert.equal(unready(statusWith({ service: { ...DOWN, state, summary } })), summary);
  });
});

describe('the share of new connections', () => {
  const sharesOf = ({ generations, steering }: typeof CANARY) =>
    generations.map((one) => (steering === null ? null : shareOf(one, steering)));

  it("is 100 % without a canary, else the rest of the canary's share", () => {
    assert.deepEqual(sharesOf(statusWith()), [1]);
    assert.deepEqual(sharesOf(CANARY), [0.8, 0.2]);
    assert.deepEqual(sharesOf({ ...CANARY, steering: { main: [1], canary: null, preview: null } }), [0, 1]);
  });
});
