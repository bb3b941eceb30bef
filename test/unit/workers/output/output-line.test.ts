import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileForwarder } from '../../../../src/workers/output/file-forwarder.ts';
import {
  type OutputLineSource,
  outputLines,
  parseOutputLine,
} from '../../../../src/workers/output/output-line.ts';

const SOURCE: OutputLineSource = {
  time: Date.UTC(2026, 10, 26, 17, 0, 0, 123),
  generation: 3,
  worker: 12,
  stream: 'stderr',
};

test('each line gets its time, stream and worker', () => {
  assert.equal(
    outputLines(SOURCE, Buffer.from('one\n\ntwo\n'), true).toString(),
    '2026-11-26T17:00:00.123Z stderr F:g3.w12 one\n2026-11-26T17:00:00.123Z stderr F:g3.w12 \n2026-11-26T17:00:00.123Z stderr F:g3.w12 two\n',
  );
});

test('a line is returned unchanged, including invalid text', () => {
  const junk = Buffer.from([0, 0xff, 0x1b, 0x20, 0x0d]);
  const line = outputLines(SOURCE, Buffer.concat([junk, Buffer.from('\n')]), true);
  assert.deepEqual(parseOutputLine(line.subarray(0, -1)), { ...SOURCE, isPartial: false, text: junk });
});

test('a piece of a line that continues is marked', () => {
  const line = outputLines(SOURCE, Buffer.from('abc'), false);
  assert.deepEqual(parseOutputLine(line.subarray(0, -1)), {
    ...SOURCE,
    isPartial: true,
    text: Buffer.from('abc'),
  });
});

for (const other of [
  '',
  'hello',
  '2026-11-26T17:00:00.123Z stdout F text',
  '2026-11-26 stdout F:g1.w0 text',
]) {
  test(`another line is not parsed: ${JSON.stringify(other)}`, () => {
    assert.equal(parseOutputLine(Buffer.from(other)), null);
  });
}

/** A sink that accepts nothing while it is full. */
class FakeSink {
  full = false;
  text = '';
  dropped = '';

  offer(bytes: Buffer): boolean {
    if (!this.full) this.text += bytes;
    return !this.full;
  }

  drop(bytes: Buffer): void {
    this.dropped += bytes;
  }
}

test('a line with a dropped part is dropped to its end, and terminated before the next one', () => {
  const sink = new FakeSink();
  const { time, ...source } = SOURCE;
  const forwarder = new FileForwarder(sink, source, () => time);
  forwarder.add(Buffer.from('begin '), false);
  sink.full = true;
  forwarder.add(Buffer.from('middle '), false);
  sink.full = false;
  forwarder.add(Buffer.from('end\n'), true);
  forwarder.add(Buffer.from('next\n'), true);
  forwarder.add(Buffer.from('last\n'), true);
  assert.equal(sink.dropped, 'middle end\n');
  assert.deepEqual(
    sink.text
      .trimEnd()
      .split('\n')
      .map((line) => parseOutputLine(Buffer.from(line)))
      .map((line) => line && `${line.isPartial ? 'P' : 'F'} ${line.text}`),
    ['P begin ', 'F ', 'F next', 'F last'],
  );
});

test('dropped whole lines leave no line to terminate', () => {
  const sink = new FakeSink();
  const { time, ...source } = SOURCE;
  const forwarder = new FileForwarder(sink, source, () => time);
  sink.full = true;
  forwarder.add(Buffer.from('one\ntwo\n'), true);
  sink.full = false;
  forwarder.add(Buffer.from('three\n'), true);
  assert.equal(sink.dropped, 'one\ntwo\n');
  assert.equal(sink.text, '2026-11-26T17:00:00.123Z stderr F:g3.w12 three\n');
});
