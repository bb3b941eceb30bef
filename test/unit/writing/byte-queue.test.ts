import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteQueue } from '../../../src/writing/byte-queue.ts';

test('bytes are returned in order, in any sizes', () => {
  const queue = new ByteQueue();
  const sizes = [1, 5000, 0, 3, 4096, 4097, 20_000, 1, 1, 16_384, 2];
  const expected: Buffer[] = [];
  for (let round = 0; round < 50; round += 1) {
    for (const [index, size] of sizes.entries()) {
      const bytes = Buffer.alloc(size, round * 16 + index);
      queue.push(bytes);
      expected.push(bytes);
    }
  }
  const total = Buffer.concat(expected);
  assert.equal(queue.length, total.length);
  const taken: Buffer[] = [];
  while (queue.length > 0) {
    taken.push(queue.take(10_000));
    // A returned piece must not be written to again.
    if (taken.length === 3) queue.push(Buffer.alloc(0));
  }
  assert.ok(Buffer.concat(taken).equals(total));
});

test('a piece larger than requested is returned whole', () => {
  const queue = new ByteQueue();
  queue.push(Buffer.alloc(100));
  queue.push(Buffer.alloc(100));
  assert.equal(queue.take(10).length, 100);
  assert.equal(queue.take(1000).length, 100);
  assert.equal(queue.take(1000).length, 0);
});

test('a million short lines use few objects', () => {
  const queue = new ByteQueue();
  const before = process.memoryUsage();
  for (let count = 0; count < 1_000_000; count += 1) queue.push(Buffer.from('x\n'));
  const after = process.memoryUsage();
  const grown = after.external - before.external;
  assert.equal(queue.length, 2_000_000);
  assert.ok(grown < 20e6, `${grown} bytes for 2,000,000`);
});
