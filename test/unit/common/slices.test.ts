import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inSlices } from '../../../src/common/slices.ts';

/** Turns of an event loop that the test runs. */
function turns() {
  const waiting: (() => void)[] = [];
  let time = 0;
  return {
    turns: { now: () => time, defer: (run: () => void) => void waiting.push(run) },
    pass: (ms: number) => {
      time += ms;
    },
    next: () => waiting.shift()?.(),
    waiting,
  };
}

describe('work in slices', () => {
  it('is done immediately if it is short', () => {
    const { turns: loop, waiting } = turns();
    const done: number[] = [];
    let ended = 0;
    inSlices([1, 2, 3].map((step) => done.push(step)).values(), loop, (failure) => {
      assert.equal(failure, null);
      ended += 1;
    });
    assert.deepEqual([done, ended, waiting.length], [[1, 2, 3], 1, 0]);
  });

  it('continues in order in the next turn after 2 ms', () => {
    const { turns: loop, pass, next, waiting } = turns();
    const done: number[] = [];
    function* steps() {
      for (let step = 1; step <= 5; step += 1) {
        done.push(step);
        pass(1);
        yield;
      }
    }
    let ended = 0;
    inSlices(steps(), loop, () => (ended += 1));
    assert.deepEqual([done, ended], [[1, 2], 0]);
    next();
    assert.deepEqual([done, ended], [[1, 2, 3, 4], 0]);
    next();
    assert.deepEqual([done, ended, waiting.length], [[1, 2, 3, 4, 5], 1, 0]);
  });

  it('ends without a call when it is cancelled', () => {
    const { turns: loop, pass, next } = turns();
    const done: number[] = [];
    function* steps() {
      for (let step = 1; ; step += 1) {
        done.push(step);
        pass(5);
        yield;
      }
    }
    const work = inSlices(steps(), loop, () => assert.fail('it was cancelled'));
    work.cancel();
    next();
    assert.deepEqual(done, [1]);
  });

  it('ends with the exception of a step', () => {
    const { turns: loop, pass, next } = turns();
    function* steps() {
      pass(5);
      yield;
      throw new Error('no descriptor is left');
    }
    const failures: unknown[] = [];
    inSlices(steps(), loop, (failure) => failures.push(failure?.error));
    assert.deepEqual(failures, []);
    next();
    assert.deepEqual(failures, [new Error('no descriptor is left')]);
  });
});
