import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPipe } from '../../../src/linux/pipes.ts';
import { connectSocket, openSocket } from '../../../src/linux/sockets.ts';
import { Sink, type SinkOptions } from '../../../src/writing/sink.ts';
import { setNonBlocking } from '../../support/sockets.ts';
import { folder } from '../workers/support.ts';

/** A sink whose writes and timers the test controls. */
function controlled(options: Partial<SinkOptions> = {}) {
  const writes: { text: string; done: (error: NodeJS.ErrnoException | null, written: number) => void }[] = [];
  const timers: { ms: number; callback: () => void; cancelled: boolean }[] = [];
  const dropped: [number, number][] = [];
  const failed: [string, boolean][] = [];
  const closes: number[] = [];
  const sink = new Sink({
    fd: 9,
    onDropped: (lines, bytes) => dropped.push([lines, bytes]),
    onFailed: (code, final) => failed.push([code, final]),
    system: {
      open: (fd) => {
        assert.equal(fd, 9);
        return {
          write: (bytes, done) => writes.push({ text: bytes.toString('latin1'), done }),
          close: () => closes.push(fd),
        };
      },
      after: (ms, callback) => {
        const timer = { ms, callback, cancelled: false };
        timers.push(timer);
        return () => {
          timer.cancelled = true;
        };
      },
    },
    ...options,
  });
  const answer = (code: string | null = null, written?: number) => {
    const { text, done } = writes.at(-1) ?? assert.fail('no write');
    done(code === null ? null : Object.assign(new Error(code), { code }), written ?? text.length);
  };
  const write = (text: string, source: object = sink, complete = true) =>
    sink.write(Buffer.from(text), source, complete);
  return {
    sink,
    write,
    timers,
    dropped,
    failed,
    closes,
    answer,
    texts: () => writes.map(({ text }) => text),
  };
}

test('one write runs at a time, and later data is combined', () => {
  const { write, texts, answer, sink } = controlled();
  write('a\n');
  write('b\n');
  write('c\n');
  assert.deepEqual(texts(), ['a\n']);
  assert.equal(sink.buffered, 6);
  answer();
  assert.deepEqual(texts(), ['a\n', 'b\nc\n']);
  answer();
  assert.equal(sink.buffered, 0);
});

test('a short write continues at its end', () => {
  const { write, texts, answer } = controlled();
  write('abcdef\n');
  answer(null, 2);
  answer(null, 4);
  answer();
  assert.deepEqual(texts(), ['abcdef\n', 'cdef\n', '\n']);
});

test('EAGAIN is retried with a growing delay that starts again after a success', () => {
  const { write, texts, timers, answer } = controlled();
  write('a\n');
  for (let count = 0; count < 9; count += 1) {
    answer('EAGAIN', 0);
    timers.at(-1)?.callback();
  }
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [1, 2, 4, 8, 16, 32, 64, 100, 100],
  );
  assert.deepEqual(new Set(texts()), new Set(['a\n']));
  answer();
  write('b\n');
  answer('ENOSPC', 0);
  assert.equal(timers.at(-1)?.ms, 1);
});

test('beyond the limit whole lines are dropped and counted until half is free', () => {
  const { write, texts, dropped, answer, sink } = controlled({ limit: 10 });
  assert.equal(write('12345\n'), true);
  assert.equal(write('678\n'), true);
  assert.equal(write('x\n'), false);
  assert.equal(write('y\nz\n'), false);
  answer();
  assert.deepEqual(dropped, [
    [1, 2],
    [2, 4],
  ]);
  assert.equal(write('a\n'), true);
  answer();
  answer();
  assert.deepEqual(texts(), ['12345\n', '678\n', 'a\n']);
  assert.deepEqual(sink.dropped, { lines: 3, bytes: 6 });
  assert.equal(dropped.length, 2);
});

test('dropped lines are reported at the first drop, every 10 seconds, and at the end', () => {
  const { write, dropped, timers, answer, sink } = controlled({ limit: 10 });
  const take = () => dropped.splice(0);
  write('12345678\n');
  write('1\n');
  assert.deepEqual(take(), [[1, 2]]);
  write('2\n');
  write('3\n4\n');
  assert.deepEqual(take(), []);
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [10_000],
  );
  timers.at(-1)?.callback();
  assert.deepEqual(take(), [[3, 6]]);
  assert.equal(timers.length, 2);
  // Neither a report, nor a timer that wakes zero up without a reason.
  timers.at(-1)?.callback();
  assert.deepEqual(take(), []);
  assert.equal(timers.length, 2);
  write('5\n');
  assert.deepEqual(take(), [[1, 2]]);
  assert.equal(timers.length, 3);
  write('6');
  answer();
  assert.deepEqual(take(), [[0, 1]]);
  // The reader falls behind again before the 10 seconds have passed: one more report when it has caught up.
  write('12345678\n');
  write('7\n');
  assert.deepEqual(take(), []);
  answer();
  assert.deepEqual(take(), [[1, 2]]);
  assert.equal(timers.length, 3);
  assert.deepEqual(sink.dropped, { lines: 6, bytes: 13 });
});

test('a sink that is closed while it drops reports the rest and has no timer left', () => {
  const { write, dropped, timers, sink } = controlled({ limit: 10 });
  write('12345678\n');
  write('1\n');
  write('2\n');
  sink.close();
  assert.deepEqual(dropped, [
    [1, 2],
    [1, 2],
  ]);
  assert.equal(timers.at(-1)?.cancelled, true);
  assert.equal(write('3\n'), false);
  assert.equal(timers.length, 1);
  assert.equal(dropped.length, 2);
});

test('a report may be written to the sink that drops', () => {
  const reports: string[] = [];
  const { write, sink, texts, answer } = controlled({
    limit: 10,
    onDropped: (lines, bytes) => {
      reports.push(`${lines} ${bytes}`);
      sink.offer(Buffer.from('log\n'), reports);
    },
  });
  // The queue is empty, and the data is still too large.
  assert.equal(write('12345678901\n'), false);
  answer();
  assert.deepEqual(reports, ['1 12']);
  assert.deepEqual(texts(), ['log\n']);
});

test('a writer that keeps refused data is not counted', () => {
  const { sink, answer, dropped, texts } = controlled({ limit: 10 });
  const source = {};
  assert.equal(sink.offer(Buffer.from('12345678\n'), source), true);
  assert.equal(sink.offer(Buffer.from('again\n'), source), false);
  answer();
  assert.equal(sink.offer(Buffer.from('again\n'), source), true);
  assert.deepEqual(texts(), ['12345678\n', 'again\n']);
  assert.deepEqual([dropped, sink.dropped], [[], { lines: 0, bytes: 0 }]);
  assert.equal(sink.closed, false);
  answer('EPIPE', 0);
  assert.equal(sink.closed, true);
  assert.equal(sink.offer(Buffer.from('again\n'), source), false);
});

test('a started line is terminated before another writer, and when its rest is dropped', () => {
  const { write, texts, answer, sink } = controlled();
  const [one, two] = [{}, {}];
  write('piece', one, false);
  answer();
  write('line\n', two);
  answer();
  write('more', one, false);
  answer();
  sink.endLine(two);
  sink.endLine(one);
  answer();
  sink.endLine(one);
  assert.deepEqual(texts(), ['piece', '\nline\n', 'more', '\n']);
});

test('after the exit of the reader everything is dropped and counted, and reported once', () => {
  const { write, texts, answer, sink, dropped, failed, closes } = controlled();
  write('a\n');
  write('b\nc\n');
  answer('EPIPE', 0);
  assert.equal(write('d\n'), false);
  assert.deepEqual(texts(), ['a\n']);
  assert.deepEqual(sink.dropped, { lines: 4, bytes: 8 });
  assert.deepEqual(dropped, [[3, 6]]);
  assert.deepEqual(failed, [['EPIPE', true]]);
  sink.close();
  assert.deepEqual(closes, [9]);
});

test('a failure is reported once until the next success', () => {
  const { write, answer, timers, failed } = controlled();
  write('a\n');
  for (const code of ['EAGAIN', 'ENOSPC', 'EAGAIN', 'ENOSPC']) {
    answer(code, 0);
    timers.at(-1)?.callback();
  }
  assert.deepEqual(failed, [['ENOSPC', false]]);
  answer();
  write('b\n');
  answer('ENOSPC', 0);
  assert.equal(failed.length, 2);
});

test('flush waits for the last write, or for its deadline', async () => {
  const { write, timers, answer, sink } = controlled();
  assert.equal(await sink.flush(100), true);
  write('a\n');
  const flushed = sink.flush(100);
  answer();
  assert.equal(await flushed, true);
  assert.deepEqual(
    timers.map(({ ms, cancelled }) => ({ ms, cancelled })),
    [{ ms: 100, cancelled: true }],
  );
  write('b\n');
  const late = sink.flush(50);
  timers.at(-1)?.callback();
  assert.equal(await late, false);
  assert.equal(sink.buffered, 2);
});

test('close ends the wait for the next attempt', async () => {
  const { write, timers, answer, sink, dropped, closes } = controlled();
  write('a\n');
  answer('EAGAIN', 0);
  const flushed = sink.flush(100);
  sink.close();
  assert.equal(timers[0]?.cancelled, true);
  assert.equal(await flushed, true);
  assert.deepEqual(sink.dropped, { lines: 1, bytes: 2 });
  assert.deepEqual(dropped, [[1, 2]]);
  assert.deepEqual(closes, [9]);
});

test('close keeps the descriptor open for a pending write', () => {
  const { write, answer, sink, closes } = controlled();
  write('a\n');
  sink.close();
  assert.deepEqual(closes, []);
  answer();
  assert.deepEqual(closes, [9]);
});

test('a pipe is written without blocking, and its flags are unchanged for its other users', async () => {
  const { read, write } = openPipe();
  // The sink's next attempt runs on this thread, so a blocking read would never return.
  setNonBlocking(read);
  const sink = new Sink({ fd: write });
  const line = Buffer.alloc(64 * 1024, 'x');
  line[line.length - 1] = 10;
  for (let count = 0; count < 4; count += 1) sink.write(line, sink);
  let total = 0;
  const chunk = Buffer.alloc(1 << 20);
  const flushed = sink.flush(10_000);
  while (total < 4 * line.length) {
    total += await new Promise<number>((resolve) => setImmediate(() => resolve(readNow(read, chunk))));
  }
  assert.equal(await flushed, true);
  assert.equal(flagsOf(write) & constants.O_NONBLOCK, 0);
  sink.close();
  writeSync(write, 'still open');
  closeSync(write);
  closeSync(read);
});

test('a slow socket is written without blocking, completely and in order', async () => {
  const { near, far } = await socketPair();
  const sink = new Sink({ fd: near });
  const line = Buffer.alloc(64 * 1024, 'x');
  line[line.length - 1] = 10;
  for (let count = 0; count < 20; count += 1) sink.write(line, sink);
  const flushed = sink.flush(10_000);
  const chunks: Buffer[] = [];
  for await (const chunk of far) {
    chunks.push(chunk);
    if (chunks.reduce((total, { length }) => total + length, 0) === 20 * line.length) break;
  }
  assert.equal(await flushed, true);
  assert.ok(Buffer.concat(chunks).equals(Buffer.concat(Array(20).fill(line))));
  sink.close();
  closeSync(near);
});

test('a file keeps its offset and is appended to', async () => {
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  writeSync(fd, 'first\n');
  const sink = new Sink({ fd });
  sink.write(Buffer.from('second\n'), sink);
  assert.equal(await sink.flush(10_000), true);
  assert.equal(readFileSync(path, 'utf8'), 'first\nsecond\n');
  sink.close();
  closeSync(fd);
});

/** Two connected stream sockets. One of them is a bare descriptor, as journald gives a service. */
async function socketPair(): Promise<{ near: number; far: Socket }> {
  const path = join(folder, 'socket');
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  const near = openSocket('unix', 'stream');
  connectSocket(near, { family: 'unix', path });
  const [far] = await once(server, 'connection');
  server.close();
  return { near, far };
}

function readNow(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk);
  } catch {
    return 0;
  }
}

function flagsOf(fd: number): number {
  const [, flags = ''] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? [];
  return Number.parseInt(flags, 8);
}
