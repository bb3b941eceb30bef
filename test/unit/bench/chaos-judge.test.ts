import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawFaults } from '../../../bench/chaos/draw.ts';
import {
  type Caused,
  causeOf,
  countFaults,
  describeCause,
  type MayLose,
} from '../../../bench/chaos/judge.ts';

function fault(name: string, from: number, to: number, mayLose: MayLose | null): Caused {
  return { name, from, to, mayLose };
}

const killed = (pid: number, at: number, ...ports: number[]): MayLose => ({
  kind: 'connections',
  pid,
  at,
  ports: new Set(ports),
});

test('a killed worker explains the loss of the connections that it had accepted, and of no other connection', () => {
  const faults = [
    fault('one', 0, 200, killed(7, 100, 4001, 4002)),
    fault('harmless', 300, 400, null),
    fault('other', 500, 700, killed(8, 600, 4001)),
  ];
  const cause = (openedAt: number, at: number, port: number | null) =>
    causeOf({ openedAt, at, port, reused: true }, faults)?.name ?? null;
  assert.equal(cause(50, 101, 4001), 'one');
  assert.equal(cause(50, 9_000, 4002), 'one', 'the client noticed it with its next request');
  assert.equal(cause(500, 601, 4001), 'other', 'the same port once more');
  assert.equal(cause(50, 99, 4001), null, 'lost before');
  assert.equal(cause(101, 102, 4001), null, 'connected after it');
  assert.equal(cause(50, 101, 4003), null, 'the connection of another process');
  assert.equal(cause(50, 101, null), null, 'not connected');
});

test('closing lanes explain only the first request of a client that connects during the closing', () => {
  const faults = [fault('lanes closed', 0, 900, { kind: 'connecting', from: 100, to: 200 })];
  const cause = (openedAt: number, at: number, reused = false) =>
    causeOf({ openedAt, at, port: null, reused }, faults)?.name ?? null;
  assert.equal(cause(150, 160), 'lanes closed');
  assert.equal(cause(50, 110), 'lanes closed');
  assert.equal(cause(150, 160, true), null);
  assert.equal(cause(50, 90), null);
  assert.equal(cause(201, 210), null);
  assert.equal(cause(150, 400), null);
});

test('a cause contains the process and the time', () => {
  assert.equal(
    describeCause(fault('a worker killed', 1_000, 1_200, killed(7, 1_100))),
    'a worker killed at 1.0 s: pid 7 had accepted its connection and was killed at 1.1 s',
  );
});

test('the same seed draws the same faults, however many random numbers a fault draws', () => {
  const names = ['a', 'b', 'c', 'd'];
  const take = (seed: number, draws: number) => {
    const faults = drawFaults(seed, names);
    return Array.from({ length: 50 }, () => {
      const { name, pause, random } = faults.next().value;
      const drawn = Array.from({ length: draws }, random);
      return { name, pause, first: drawn[0] };
    });
  };
  assert.deepEqual(take(7, 1), take(7, 5));
  assert.notDeepEqual(take(7, 1), take(8, 1));
  assert.deepEqual([...new Set(take(7, 1).map(({ name }) => name))].sort(), names);
});

test('faults are counted by name', () => {
  const faults = [fault('b', 0, 1, null), fault('a', 1, 2, null), fault('b', 2, 3, null)];
  assert.deepEqual(countFaults(faults), [
    ['a', 1],
    ['b', 2],
  ]);
});
