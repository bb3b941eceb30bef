import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineSplitter, MAX_PIECE } from '../../../../src/workers/output/line-splitter.ts';

function collect() {
  const emitted: [string, boolean][] = [];
  const splitter = new LineSplitter((bytes, complete) => emitted.push([bytes.toString('latin1'), complete]));
  const push = (text: string) => splitter.push(Buffer.from(text, 'latin1'));
  return { emitted, splitter, push };
}

test('whole lines are emitted together, and the rest waits for its end', () => {
  const { emitted, push } = collect();
  push('a\nb\nc');
  push('');
  push('d\n\ne');
  assert.deepEqual(emitted, [
    ['a\nb\n', true],
    ['cd\n', true],
    ['\n', true],
  ]);
});

test('a last line without its newline gets one at the end, and not before', () => {
  const { emitted, push, splitter } = collect();
  push('a');
  splitter.end();
  splitter.end();
  assert.deepEqual(emitted, [['a\n', true]]);
});

test('bytes are unchanged', () => {
  const { emitted, push } = collect();
  push('\0\xff\r\n\x1b[31m');
  push('\xfe\n');
  assert.deepEqual(emitted, [
    ['\0\xff\r\n', true],
    ['\x1b[31m\xfe\n', true],
  ]);
});

test('an endless line is emitted in pieces, its rest separately', () => {
  const { emitted, push } = collect();
  const half = 'x'.repeat(MAX_PIECE / 2);
  for (let count = 0; count < 5; count += 1) push(half);
  push('y\nnext\n');
  assert.deepEqual(
    emitted.map(([text, complete]) => [text.length, complete]),
    [
      [MAX_PIECE, false],
      [MAX_PIECE, false],
      [MAX_PIECE / 2 + 2, true],
      [5, true],
    ],
  );
});

test('a line of exactly one piece ends with a piece that is only its newline', () => {
  const { emitted, push, splitter } = collect();
  push('x'.repeat(MAX_PIECE));
  push('\n');
  push('x'.repeat(MAX_PIECE));
  splitter.end();
  assert.deepEqual(
    emitted.map(([text, complete]) => [text.length, complete]),
    [
      [MAX_PIECE, false],
      [1, true],
      [MAX_PIECE, false],
      [1, true],
    ],
  );
});

test('in any chunks, the bytes are the same and every emission of whole lines ends with a newline', () => {
  const text = Array.from({ length: 300 }, (_, index) => 'z'.repeat((index * 7919) % 1500)).join('\n');
  for (const size of [1, 2, 63, 1024, 70_000]) {
    const { emitted, push, splitter } = collect();
    for (let at = 0; at < text.length; at += size) push(text.slice(at, at + size));
    splitter.end();
    assert.equal(emitted.map(([part]) => part).join(''), `${text}\n`);
    assert.ok(emitted.every(([part, complete]) => complete === part.endsWith('\n')));
  }
});

test('100 MB without a newline use no more memory than a piece', () => {
  let longest = 0;
  let total = 0;
  const splitter = new LineSplitter((bytes) => {
    longest = Math.max(longest, bytes.length);
    total += bytes.length;
  });
  const chunk = Buffer.alloc(65_000, 'x');
  for (let count = 0; count < 1600; count += 1) splitter.push(chunk);
  assert.equal(longest, MAX_PIECE);
  assert.ok(total > 100e6);
});
