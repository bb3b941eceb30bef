import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { initialState } from '../../../src/lifecycle/state.ts';
import type { Generations } from '../../../src/supervisor/generations.ts';
import type { Situation } from '../../../src/supervisor/state-format/write.ts';
import { StateRecorder } from '../../../src/supervisor/state-recorder.ts';

const GENERATIONS = { processes: () => [], prepared: () => undefined } as unknown as Generations;

/** A recorder whose disk takes so many milliseconds for each record. */
function recorder(takes: number) {
  const saved: Situation[] = [];
  const kept: Situation[] = [];
  const timers: { at: number; run: () => void }[] = [];
  let clock = 0;
  const file = {
    ahead: (situation: () => Situation) => void kept.push(situation()),
    save: (situation: Situation) => {
      saved.push(situation);
      clock += takes;
    },
    retry: () => {},
    replace: () => {},
    remove: () => {},
  };
  return {
    saved,
    kept,
    timers,
    /** The time passes until the next timer is due. */
    pass() {
      const due = timers.shift();
      assert.ok(due);
      clock = due.at;
      due.run();
    },
    recorder: new StateRecorder({
      file,
      listeners: { snapshot: () => [] },
      log: { look: () => {} },
      others: () => ({}),
      timers: { set: (ms, run) => timers.push({ at: clock + ms, run }), clear: () => {} },
      now: () => clock,
    }),
  };
}

test('records once for all events of a turn of the event loop, the newest state', async () => {
  const { saved, recorder: one } = recorder(0);
  const states = [1, 2, 3].map((now) => initialState(now));
  for (const state of states) one.settled(state, GENERATIONS);
  // The first state that there is.
  assert.equal(saved.length, 1);
  await turn();
  assert.deepEqual(
    saved.map(({ state }) => state.now),
    [1, 3],
  );
});

test('records at once when a handover has reached its next step', () => {
  const { saved, recorder: one } = recorder(0);
  const state = initialState(1);
  one.settled({ ...state, incumbent: 1 }, GENERATIONS);
  one.settled({ ...state, incumbent: 2, now: 2 }, GENERATIONS);
  assert.deepEqual(
    saved.map(({ state: { incumbent } }) => incumbent),
    [1, 2],
  );
  one.settled({ ...state, incumbent: 2, now: 3 }, GENERATIONS);
  assert.equal(saved.length, 2);
  one.remove();
});

test('rests after a record that took long, and no longer than 100 ms', async () => {
  for (const [takes, rest] of [
    [10, 30],
    [500, 100],
  ] as const) {
    const { saved, timers, recorder: one, pass } = recorder(takes);
    one.settled(initialState(1), GENERATIONS);
    for (const now of [2, 3, 4]) one.settled(initialState(now), GENERATIONS);
    await turn();
    assert.deepEqual([saved.length, timers.map(({ at }) => at)], [1, [takes + rest]]);
    pass();
    assert.deepEqual(
      saved.map(({ state }) => state.now),
      [1, 4],
    );
  }
});

test('keeps the state at once for an effect that cannot be performed twice', () => {
  const { saved, kept, recorder: one } = recorder(0);
  const spawn = { type: 'spawn', generation: 1, worker: 0, incarnation: 1 } as never;
  one.settled(initialState(1), GENERATIONS);
  one.ahead(initialState(2), [spawn], GENERATIONS);
  assert.deepEqual(
    kept.map(({ state, inProgress }) => [state.now, inProgress]),
    [[2, [spawn]]],
  );
  assert.equal(saved.length, 1);
  one.remove();
});
