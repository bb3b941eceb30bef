import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_TAIL_LINE, Tail } from '../../../../src/workers/output/tail.ts';

test('the last lines are returned, oldest first', () => {
  const tail = new Tail(3);
  tail.add(Buffer.from('1\n2\n'), true);
  tail.add(Buffer.from('3\n4\n\n'), true);
  assert.deepEqual(tail.lines(), ['3', '4', '']);
  assert.deepEqual(tail.lines(1), ['']);
  assert.deepEqual(tail.lines(0), []);
  assert.deepEqual(new Tail().lines(), []);
});

test('a block may have more lines than the limit', () => {
  const tail = new Tail(2);
  tail.add(Buffer.from(`${'a\n'.repeat(1000)}b\nc\n`), true);
  assert.deepEqual(tail.lines(), ['b', 'c']);
});

test('long lines are truncated, whole or in pieces', () => {
  const tail = new Tail();
  tail.add(Buffer.from(`${'x'.repeat(5000)}\n`), true);
  tail.add(Buffer.alloc(3000, 'y'), false);
  tail.add(Buffer.alloc(3000, 'y'), false);
  assert.equal(tail.lines().at(-1)?.length, MAX_TAIL_LINE);
  tail.add(Buffer.from('y\n'), true);
  tail.add(Buffer.from('z\n'), true);
  assert.deepEqual(
    tail.lines().map((line) => line.length),
    [MAX_TAIL_LINE, MAX_TAIL_LINE, 1],
  );
});

test('a report contains no control characters and no broken text', () => {
  const tail = new Tail();
  tail.add(Buffer.from('\x1b[31mred\x07\0\tx\r\n', 'latin1'), true);
  tail.add(Buffer.from('\xff\n', 'latin1'), true);
  assert.deepEqual(tail.lines(), ['[31mred  x', '\ufffd']);
});
