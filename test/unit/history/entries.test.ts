import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEarlier } from '../../../src/history/choose.ts';
import { lastExecutables } from '../../../src/history/entries.ts';
import { endedHandovers } from '../../../src/history/handovers.ts';
import { linesOf } from '../../../src/history/lines.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { HASH, historyOf, RELEASE, served, timed } from './support.ts';

const executable = (generation: number, digit: string) =>
  ({ event: 'executable', generation, sha256: HASH(digit), notKept: null }) as const;

const current = (inode: number) => ({ release: { ...RELEASE, inode }, sha256: null });

/** The chosen generation, or the reason for none. */
function chosen(...[history, to, now]: Parameters<typeof chooseEarlier>): number | string {
  const entry = chooseEarlier(history, to, now);
  return typeof entry === 'string' ? entry : entry.generation;
}

test('a generation is assembled from its lines', () => {
  const { entries } = historyOf([...served(1), executable(1, 'a'), ...served(2)], 2);
  const [first, second] = entries;
  assert.deepEqual(first, {
    generation: 1,
    at: '2026-11-24T12:00:00.000Z',
    release: { ...RELEASE, inode: 11 },
    label: null,
    sha256: HASH('a'),
    notKept: null,
    handover: 1,
    rollbackTo: null,
    outcome: 'promoted',
    failure: null,
    duration: 100,
    served: 4000,
  });
  // It still serves.
  assert.equal(second?.served, 55_000);
});

test('a generation that served when zero was killed has no end, a stopped one has', () => {
  const killed = historyOf(served(1));
  const stopped = historyOf([...served(1), { event: 'stopped' }]);
  assert.deepEqual(
    [killed, stopped].map(({ entries }) => entries[0]?.served),
    [0, 2000],
  );
});

test('facts become lines', () => {
  const failure = { step: 'verify', reason: 'GET / returned 500', output: ['secret'] };
  const finished: Fact = {
    event: 'handover_finished',
    handover: 3,
    outcome: 'rolled_back',
    generation: 3,
    incumbent: 2,
    duration: 12.6,
    failure,
  };
  const line = {
    event: 'handover',
    handover: 3,
    outcome: 'rolled_back',
    generation: 3,
    incumbent: 2,
    duration: 13,
    failure: { step: 'verify', reason: 'GET / returned 500' },
  };
  assert.deepEqual(linesOf(finished, 2), [line]);
  // It served already in the soak, and the incumbent serves again.
  assert.deepEqual(linesOf(finished, 3), [line, { event: 'serves', generation: 2 }]);
  assert.deepEqual(linesOf({ event: 'generation_retiring', generation: 2 }, 3), []);
});

test('the previous release is the last one that differs', () => {
  const same = historyOf([...served(1), ...served(2), ...served(3, { inode: 12 })]);
  assert.equal(chosen(same, null, current(12)), 1);
  // After a rollback it is the generation before the rollback.
  assert.equal(
    chosen(historyOf([...served(1), ...served(2), ...served(3, { inode: 11 })]), null, current(11)),
    2,
  );
});

test('the hash distinguishes releases, and matches equal ones, if it is known', () => {
  const history = historyOf([...served(1), executable(1, 'a'), ...served(2), executable(2, 'b')]);
  assert.equal(chosen(history, null, { release: { ...RELEASE, inode: 99 }, sha256: HASH('b') }), 1);
});

test('arguments and directory belong to the release', () => {
  const history = historyOf([...served(1, { inode: 5, args: ['--slow'] }), ...served(2, { inode: 5 })]);
  assert.equal(chosen(history, null, current(5)), 1);
  const moved = historyOf([...served(1, { inode: 5, directory: '/old' }), ...served(2, { inode: 5 })]);
  assert.equal(chosen(moved, null, current(5)), 1);
});

test('a candidate that was rolled back in its soak is no rollback target', () => {
  const failure = { step: 'verify', reason: 'GET / returned 500' };
  const history = historyOf([
    ...served(1),
    { event: 'generation', generation: 2, rollbackTo: null, release: { ...RELEASE, inode: 12 } },
    { event: 'serves', generation: 2 },
    {
      event: 'handover',
      handover: 2,
      outcome: 'rolled_back',
      generation: 2,
      incumbent: 1,
      duration: 5,
      failure,
    },
    { event: 'serves', generation: 1 },
  ]);
  assert.match(String(chosen(history, null, current(11))), /nothing to roll back to: every generation/);
  assert.match(String(chosen(history, 2, current(11))), /^generation 2 was rolled back: GET \/ returned 500/);
});

test('a generation that is unknown or never served is refused', () => {
  assert.match(String(chosen(historyOf([]), null, null)), /no generation has served yet/);
  assert.match(String(chosen(historyOf([]), 4, null)), /unknown generation 4: the history is empty/);
  const history = historyOf([
    ...served(2),
    { event: 'generation', generation: 3, rollbackTo: null, release: RELEASE },
  ]);
  assert.match(
    String(chosen(history, 7, null)),
    /unknown generation 7: the history has 2 to 3: see "zero history"/,
  );
  assert.match(String(chosen(history, 3, null)), /generation 3 never served/);
  assert.equal(chosen(history, 2, current(12)), 2);
});

test('a promoted generation that the operator aborts counts as aborted, and is no rollback target', () => {
  const failure = { step: 'abort', reason: 'aborted by zero abort' };
  const lines = [
    ...[1, 2].flatMap((number) => served(number)),
    { event: 'rolled_back', generation: 2, failure } as const,
    { event: 'serves', generation: 1 } as const,
  ];
  const history = historyOf(lines);
  assert.equal(history.entries[1]?.outcome, 'aborted');
  const [, ended] = endedHandovers(timed(lines));
  assert.deepEqual([ended?.outcome, ended?.incumbent, ended?.failure], ['aborted', 1, failure]);
  assert.match(String(chosen(history, 2, current(11))), /was aborted: aborted by zero abort/);
});

test('executables are sorted by the time when they last served', () => {
  const lines = ['a', 'b', 'c', 'a', 'd'].flatMap((digit, index) => [
    ...served(index + 1),
    executable(index + 1, digit),
  ]);
  assert.deepEqual(lastExecutables(historyOf(lines), 3), ['d', 'a', 'c'].map(HASH));
  // A rolled back generation is dropped before one that was not.
  const failure = { step: 'exit', reason: 'exited with code 1' };
  const back = [...lines, { event: 'rolled_back', generation: 5, failure } as const];
  assert.deepEqual(lastExecutables(historyOf(back), 3), ['a', 'c', 'b'].map(HASH));
});
