import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupOrder } from '../../../../src/listeners/lanes/group-order.ts';

function groupOf(...members: (number | null)[]): GroupOrder {
  const order = new GroupOrder();
  for (const member of members) order.join(member);
  return order;
}

const indices = (order: GroupOrder, ...lanes: number[]) => lanes.map((lane) => order.indexOf(lane));

test('sockets have the order of their listen calls', () => {
  assert.deepEqual(indices(groupOf(0, 1, 2), 0, 1, 2, 3), [0, 1, 2, null]);
});

test('the last socket takes the index of a closed one', () => {
  const order = groupOf(0, 1, 2, 3);
  order.leave(1);
  assert.deepEqual(indices(order, 0, 1, 2, 3), [0, null, 2, 1]);
  order.join(1);
  assert.deepEqual(indices(order, 0, 1, 2, 3), [0, 3, 2, 1]);
  order.leave(1);
  assert.equal(order.size, 3);
  order.leave(7);
  assert.equal(order.size, 3);
});

test('a foreign socket has an index as well', () => {
  const order = groupOf(0, null, 1);
  assert.equal(order.foreignSockets, 1);
  order.leave(null);
  assert.deepEqual(indices(order, 0, 1), [0, 1]);
});

test('a verified index replaces the assumed one', () => {
  const order = groupOf(0, 1, 2);
  order.place(0, 2);
  assert.deepEqual(indices(order, 0, 1, 2), [2, 1, 0]);
  order.place(1, 4);
  assert.deepEqual(indices(order, 0, 1, 2), [2, 4, 0]);
});
