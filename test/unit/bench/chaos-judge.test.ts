import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caused, causeOf, countFaults, type MayLose } from '../../../bench/chaos/judge.ts';

const RESET = 'read ECONNRESET';

function fault(name: string, from: number, to: number, mayLose: MayLose = 'requests'): Caused {
  return { name, from, to, mayLose };
}

test('a lost request has the newest fault as its cause that may lose one', () => {
  const faults = [
    fault('one', 0, 100),
    fault('other', 500, 600),
    fault('harmless', 650, 700, 'nothing'),
    fault('third', 5_000, 5_100),
  ];
  const causeAt = (at: number) => causeOf({ at, detail: RESET }, faults)?.name ?? null;
  assert.equal(causeAt(50), 'one');
  assert.equal(causeAt(499), 'one', 'the client notices it later');
  assert.equal(causeAt(500), 'other');
  assert.equal(causeAt(680), 'other');
  assert.equal(causeAt(1_600), 'other');
  assert.equal(causeAt(1_601), null);
  assert.equal(causeAt(4_999), null);
});

test('what may lose nothing explains nothing', () => {
  assert.equal(causeOf({ at: 50, detail: RESET }, [fault('harmless', 0, 100, 'nothing')]), null);
});

test('what may only lose who is connecting explains no request that was sent', () => {
  const faults = [fault('lanes closed', 0, 100, 'connecting')];
  assert.equal(causeOf({ at: 50, detail: RESET }, faults), null);
  assert.equal(causeOf({ at: 50, detail: 'connect ECONNRESET 127.0.0.1:80' }, faults)?.name, 'lanes closed');
});

test('faults are counted by name', () => {
  const faults = [fault('b', 0, 1), fault('a', 1, 2), fault('b', 2, 3)];
  assert.deepEqual(countFaults(faults), [
    ['a', 1],
    ['b', 2],
  ]);
});
