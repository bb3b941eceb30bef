import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openLogSink } from '../../../src/telemetry/log-sink.ts';
import type { WriteDone, WriteTarget } from '../../../src/writing/target.ts';
import { ManualTimers } from '../../support/manual-timers.ts';

/** A reader that accepts as many bytes as the test allows. */
function reader(room = Number.POSITIVE_INFINITY) {
  const state = { room, text: '', error: '', closed: false };
  const writeNow = (chunk: Buffer): number => {
    const code = state.error || (state.room === 0 ? 'EAGAIN' : '');
    if (code !== '') throw Object.assign(new Error(code), { code });
    const bytes = Math.min(chunk.length, state.room);
    state.room -= bytes;
    state.text += chunk.subarray(0, bytes).toString('latin1');
    return bytes;
  };
  const write = (chunk: Buffer, done: WriteDone): void => {
    let bytes: number;
    try {
      bytes = writeNow(chunk);
    } catch (error) {
      done(error as NodeJS.ErrnoException, 0);
      return;
    }
    done(null, bytes);
  };
  const close = () => {
    state.closed = true;
  };
  const target: WriteTarget = { write, writeNow, close };
  return { state, target };
}

function sinkTo(target: WriteTarget, limit?: number) {
  const timers = new ManualTimers();
  const failures: string[] = [];
  const opened = openLogSink({
    target,
    timers,
    limit,
    onFailed: (code) => failures.push(code),
    dropNotice: (lines) => `(${lines} dropped)\n`,
  });
  const sink = {
    write: (line: string) => opened.write(Buffer.from(line), opened),
    drained: () => opened.flush(),
    replace: (next: WriteTarget) => opened.replace(next),
    flushNow: (budget: number) => opened.flushNow(budget),
  };
  return { sink, timers, failures };
}

describe('a line sink', () => {
  it('writes immediately if there is space', async () => {
    const { target, state } = reader();
    const { sink } = sinkTo(target);
    assert.equal(sink.write('one\n'), true);
    assert.equal(sink.write('two\n'), true);
    assert.equal(state.text, 'one\ntwo\n');
    await sink.drained();
  });

  it('continues after a short write', async () => {
    const { target, state } = reader(5);
    const { sink, timers } = sinkTo(target);
    sink.write('one\n');
    sink.write('two\n');
    sink.write('three\n');
    assert.equal(state.text, 'one\nt');
    state.room = 4;
    timers.fire(50);
    assert.equal(state.text, 'one\ntwo\nt');
    const drained = sink.drained();
    state.room = 100;
    timers.fire(50);
    await drained;
    assert.equal(state.text, 'one\ntwo\nthree\n');
    assert.deepEqual(timers.pending(), []);
  });

  it('drops whole lines beyond its limit and reports them', () => {
    const { target, state } = reader(0);
    const { sink, timers } = sinkTo(target, 10);
    assert.equal(sink.write('one\n'), true);
    assert.equal(sink.write('two\n'), true);
    assert.equal(sink.write('three\n'), false);
    assert.equal(sink.write('four\n'), false);
    state.room = 1000;
    timers.fire(50);
    assert.equal(sink.write('five\n'), true);
    assert.equal(state.text, 'one\ntwo\n(2 dropped)\nfive\n');
  });

  it('counts bytes, not characters', () => {
    const { target } = reader(0);
    const { sink } = sinkTo(target, 4);
    assert.equal(sink.write('éé\n'), false);
    assert.equal(sink.write('é\n'), true);
  });

  it('retries a full disk and reports it once', () => {
    const { target, state } = reader();
    state.error = 'ENOSPC';
    const { sink, timers, failures } = sinkTo(target);
    sink.write('one\n');
    timers.fire(1000);
    timers.fire(1000);
    assert.deepEqual(failures, ['ENOSPC']);
    state.error = '';
    timers.fire(1000);
    assert.equal(state.text, 'one\n');
    state.error = 'EIO';
    sink.write('two\n');
    assert.deepEqual(failures, ['ENOSPC', 'EIO']);
  });

  it('gives up if the reader can never return', async () => {
    const { target, state } = reader();
    state.error = 'EPIPE';
    const { sink, timers, failures } = sinkTo(target);
    sink.write('one\n');
    assert.equal(sink.write('two\n'), false);
    await sink.drained();
    assert.deepEqual(failures, ['EPIPE']);
    assert.deepEqual(timers.pending(), []);
  });

  it('continues with another writer', () => {
    const old = reader(2);
    const { sink } = sinkTo(old.target);
    sink.write('one\n');
    const next = reader();
    sink.replace(next.target);
    assert.equal(old.state.closed, true);
    assert.equal(old.state.text + next.state.text, 'one\n');
  });

  it('closes the old writer only after its write', () => {
    let finish: WriteDone = () => {};
    let closed = false;
    const slow: WriteTarget = {
      write: (_, done) => {
        finish = done;
      },
      writeNow: () => 0,
      close: () => {
        closed = true;
      },
    };
    const { sink } = sinkTo(slow);
    sink.write('one\n');
    sink.write('two\n');
    const next = reader();
    sink.replace(next.target);
    assert.equal(closed, false);
    finish(null, 4);
    assert.equal(closed, true);
    assert.equal(next.state.text, 'two\n');
  });

  it('writes the rest at the end, within its time limit', () => {
    const { target, state } = reader(0);
    const { sink } = sinkTo(target);
    sink.write('one\n');
    sink.flushNow(10);
    assert.equal(state.text, '');
    state.room = 100;
    sink.flushNow(10);
    assert.equal(state.text, 'one\n');
  });

  it('keeps the order of 10,000 lines through a slow pipe', () => {
    const { target, state } = reader(0);
    const { sink, timers } = sinkTo(target);
    const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index}\n`);
    for (const line of lines) sink.write(line);
    while (timers.pending().length > 0) {
      state.room = 4096;
      timers.fire(50);
    }
    assert.equal(state.text, lines.join(''));
  });
});
