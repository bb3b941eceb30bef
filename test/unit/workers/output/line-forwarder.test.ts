import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineForwarder } from '../../../../src/workers/output/line-forwarder.ts';

/** Accepts the writes whose number is in `taken`, and records everything. */
function forwarder(taken: readonly number[]) {
  const notes: string[] = [];
  let writes = 0;
  const lines = new LineForwarder({
    write: (bytes) => {
      const accepted = taken.includes(writes);
      writes += 1;
      notes.push(`${accepted ? 'write' : 'refuse'} ${bytes}`);
      return accepted;
    },
    drop: (bytes) => void notes.push(`drop ${bytes}`),
    endLine: () => void notes.push('end'),
  });
  return { notes, add: (text: string, complete: boolean) => lines.add(Buffer.from(text), complete) };
}

test('a line with a dropped piece is terminated, and the rest of it is dropped', () => {
  const { notes, add } = forwarder([0, 2]);
  add('a', false);
  add('b', false);
  add('c', false);
  add('d', true);
  add('next', true);
  assert.deepEqual(notes, ['write a', 'refuse b', 'end', 'drop c', 'drop d', 'write next']);
});

test('a dropped whole line does not affect the next one', () => {
  const { notes, add } = forwarder([1]);
  add('a', true);
  add('b', true);
  assert.deepEqual(notes, ['refuse a', 'end', 'write b']);
});
