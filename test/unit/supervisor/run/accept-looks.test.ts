import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcceptLooks, type ForeignSockets } from '../../../../src/supervisor/run/accept-looks.ts';

/** Checks that take `duration` milliseconds on a clock that does not move otherwise. */
function looksThatTake(duration: number, foreignSockets: ForeignSockets = () => []) {
  const clock = { now: 0 };
  const turns: (() => void)[] = [];
  const timers: { ms: number; run: () => void }[] = [];
  const counts = { looks: 0, batches: 0 };
  const looks = new AcceptLooks({
    kernel: { defer: (run) => void turns.push(run) },
    listeners: {
      foreignSockets: () => {
        counts.looks += 1;
        clock.now += duration;
        return [...foreignSockets()];
      },
    },
    timers: { set: (ms, run) => timers.push({ ms, run }), clear: () => {} },
    now: () => clock.now,
    batch: (run) => {
      counts.batches += 1;
      run();
    },
  });
  return { looks, clock, turns, timers, counts };
}

test('workers that accept in the same turn of the event loop share one check and one batch', () => {
  const { looks, turns, counts } = looksThatTake(1);
  const decided: number[] = [];
  for (const worker of [1, 2, 3]) {
    looks.add((foreign) => {
      assert.deepEqual(foreign(), []);
      decided.push(worker);
    });
  }
  assert.deepEqual([decided, turns.length], [[], 1]);
  turns.shift()?.();
  assert.deepEqual(decided, [1, 2, 3]);
  assert.deepEqual(counts, { looks: 1, batches: 1 });
});

test('checks use at most a quarter of the time', () => {
  const { looks, turns, timers, clock, counts } = looksThatTake(10);
  const decided: number[] = [];
  const add = (worker: number) => looks.add((foreign) => void decided.push(worker + foreign().length));
  add(1);
  turns.shift()?.();
  add(2);
  add(3);
  assert.deepEqual([turns.length, timers.map(({ ms }) => ms)], [0, [30]]);
  clock.now += 30;
  timers.shift()?.run();
  assert.deepEqual([decided, counts.looks], [[1, 2, 3], 2]);
  clock.now += 30;
  add(4);
  assert.equal(turns.length, 1);
});

test('a failed check fails for every worker that waits for it', () => {
  const failure = new Error('EMFILE');
  const { looks, turns, counts } = looksThatTake(1, () => {
    throw failure;
  });
  let failed = 0;
  for (let worker = 0; worker < 2; worker += 1) {
    looks.add((foreign) => {
      assert.throws(foreign, failure);
      failed += 1;
    });
  }
  turns.shift()?.();
  assert.deepEqual([failed, counts.looks], [2, 1]);
});
