import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caused, causeOf, countFaults } from '../../../bench/chaos/judge.ts';

const fault = (name: string, from: number, to: number, mayLose = true): Caused => ({
  name,
  from,
  to,
  mayLose,
});

test('a lost request has the newest fault as its cause that may lose one', () => {
  const faults = [
    fault('one', 0, 100),
    fault('other', 500, 600),
    fault('harmless', 650, 700, false),
    fault('third', 5_000, 5_100),
  ];
  const causeAt = (at: number) => causeOf({ at }, faults)?.name ?? null;
  assert.equal(causeAt(50), 'one');
  assert.equal(causeAt(499), 'one', 'the client notices it later');
  assert.equal(causeAt(500), 'other');
  assert.equal(causeAt(680), 'other');
  assert.equal(causeAt(1_600), 'other');
  assert.equal(causeAt(1_601), null);
  assert.equal(causeAt(4_999), null);
});

test('what may lose nothing explains nothing', () => {
  assert.equal(causeOf({ at: 50 }, [fault('harmless', 0, 100, false)]), null);
});

test('faults are counted by name', () => {
  const faults = [fault('b', 0, 1), fault('a', 1, 2), fault('b', 2, 3)];
  assert.deepEqual(countFaults(faults), [
    ['a', 1],
    ['b', 2],
  ]);
});
