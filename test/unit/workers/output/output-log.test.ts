import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OutputLog, type OutputSource, type OutputView } from '../../../../src/workers/output/output-log.ts';

const source = (generation: number, worker = 0, stream: 'stdout' | 'stderr' = 'stdout'): OutputSource => ({
  generation,
  worker,
  stream,
});

/** A log whose clock does not move. */
const logAt = (time = 1000): OutputLog => new OutputLog(undefined, () => time);

const textOf = (log: OutputLog, view: OutputView, from = 0): string =>
  log
    .read(view, from, Number.POSITIVE_INFINITY)
    .map(({ bytes }) => bytes)
    .join('');

describe('the output of services', () => {
  it('is returned in the order in which it was read, with its source', () => {
    const log = logAt();
    log.add(source(1), Buffer.from('a\n'));
    log.add(source(2, 3, 'stderr'), Buffer.from('b\n'));
    log.add(source(1), Buffer.from('c\n'));
    assert.deepEqual(
      log.read('all', 0, 100).map(({ bytes, ...rest }) => ({ ...rest, text: bytes.toString() })),
      [
        { at: 0, time: 1000, generation: 1, worker: 0, stream: 'stdout', text: 'a\n' },
        { at: 2, time: 1000, generation: 2, worker: 3, stream: 'stderr', text: 'b\n' },
        { at: 4, time: 1000, generation: 1, worker: 0, stream: 'stdout', text: 'c\n' },
      ],
    );
    assert.deepEqual(
      log.read(1, 0, 100).map(({ at, bytes }) => [at, bytes.toString()]),
      [
        [0, 'a\n'],
        [2, 'c\n'],
      ],
    );
  });

  it('is one piece while no other source writes and no time passes, and can be read in parts', () => {
    const log = logAt();
    for (let count = 0; count < 100; count += 1) log.add(source(1), Buffer.from('x'));
    assert.equal(log.read('all', 0, 1000).length, 1);
    let text = '';
    for (let at = 0; at < log.end('all'); ) {
      const [piece] = log.read('all', at, 7);
      assert.equal(piece?.at, at);
      text += piece?.bytes;
      at += piece?.bytes.length ?? 0;
    }
    assert.equal(text, 'x'.repeat(100));
  });

  it('is kept byte for byte: invalid text, and lines longer than a slab', () => {
    const log = new OutputLog();
    const junk = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7919) % 256));
    log.add(source(1), junk);
    assert.deepEqual(
      Buffer.concat(log.read('all', 0, Number.POSITIVE_INFINITY).map(({ bytes }) => bytes)),
      junk,
    );
  });

  it('has a limit for each generation, and the newest output is kept', () => {
    const log = new OutputLog({ slab: 64, perGeneration: 2, total: 10 });
    for (let count = 0; count < 1000; count += 1) log.add(source(1), Buffer.from(`${count}\n`));
    assert.equal(log.held, 128);
    const [first] = log.read('all', 0, 1);
    assert.ok(first !== undefined && first.at > 0);
    assert.equal(textOf(log, 'all').split('\n').at(-2), '999');
    assert.equal(log.end('all'), first.at + textOf(log, 'all').length);
  });

  it('has a total limit, also in the worst case: the oldest generation is discarded', () => {
    const log = new OutputLog({ slab: 64, perGeneration: 2, total: 4 });
    for (let generation = 1; generation <= 50; generation += 1) {
      for (let count = 0; count < 20; count += 1) {
        // Sources that alternate byte by byte: each byte is a record.
        log.add(source(generation, count % 2), Buffer.from('x'));
        assert.ok(log.held <= 256);
      }
      log.close(generation);
    }
    assert.deepEqual(log.generations, [49, 50]);
    assert.equal(log.end(49), 20);
  });

  it('uses no memory for a generation without output', () => {
    const log = new OutputLog();
    log.open(1);
    assert.deepEqual([log.generations, log.held, log.isOpen(1)], [[1], 0, true]);
    log.close(1);
    assert.deepEqual([log.generations, log.isOpen(1)], [[], false]);
  });

  it('survives its generation, and is closed', () => {
    const log = new OutputLog();
    log.add(source(1), Buffer.from('last words\n'));
    log.close(1);
    assert.deepEqual([log.isOpen(1), textOf(log, 1)], [false, 'last words\n']);
  });

  it('notifies every waiting caller of more output and of the end', () => {
    const log = new OutputLog();
    let calls = 0;
    const end = log.onMore(() => {
      calls += 1;
    });
    log.add(source(1), Buffer.from('x'));
    log.close(1);
    end();
    log.add(source(1), Buffer.from('x'));
    assert.equal(calls, 2);
  });
});

describe('the time of output', () => {
  let time = 1_790_000_000_000;
  const log = new OutputLog(undefined, () => time);
  log.add(source(1), Buffer.from('one\n'));
  time += 5;
  log.add(source(1), Buffer.from('two\n'));
  time += 5;
  log.add(source(2, 1), Buffer.from('three\n'));

  it('is the time of its reading', () => {
    assert.deepEqual(
      log.read('all', 0, 100).map((piece) => [piece.time - 1_790_000_000_000, piece.bytes.toString()]),
      [
        [0, 'one\n'],
        [5, 'two\n'],
        [10, 'three\n'],
      ],
    );
  });

  it('locates the start of the output after a time', () => {
    const since = (view: OutputView, ms: number) =>
      textOf(log, view, log.since(view, 1_790_000_000_000 + ms));
    assert.equal(since('all', 0), 'one\ntwo\nthree\n');
    assert.equal(since('all', 1), 'two\nthree\n');
    assert.equal(since('all', 5), 'two\nthree\n');
    assert.equal(since(1, 6), '');
    assert.equal(since(2, 6), 'three\n');
    assert.equal(since('all', 11), '');
  });

  it('starts with the oldest kept output if earlier output may be missing', () => {
    const short = new OutputLog({ slab: 64, perGeneration: 1, total: 1 }, () => 5);
    for (let count = 0; count < 50; count += 1) short.add(source(1), Buffer.from('xxxxxxx\n'));
    assert.ok((short.read('all', 0, 1)[0]?.at ?? 0) > 0);
    assert.equal(short.since('all', 5), 0);
  });
});

describe('the last lines', () => {
  const log = new OutputLog();
  log.add(source(1), Buffer.from('one\ntwo\n'));
  log.add(source(2), Buffer.from('three\n'));
  log.add(source(1), Buffer.from('four\nopen'));

  it('are counted over all sources, including an incomplete line', () => {
    assert.equal(textOf(log, 'all', log.lastLines('all', 1)), 'open');
    assert.equal(textOf(log, 'all', log.lastLines('all', 3)), 'three\nfour\nopen');
    assert.equal(textOf(log, 'all', log.lastLines('all', 99)), 'one\ntwo\nthree\nfour\nopen');
  });

  it('of one generation exclude those of other generations', () => {
    assert.equal(textOf(log, 2, log.lastLines(2, 5)), 'three\n');
    assert.equal(textOf(log, 1, log.lastLines(1, 3)), 'two\nfour\nopen');
  });

  it('of one worker exclude those of other workers', () => {
    const mixed = logAt();
    mixed.add(source(1, 0), Buffer.from('one\ntwo\n'));
    mixed.add(source(1, 1), Buffer.from('other\nother\n'));
    mixed.add(source(1, 0), Buffer.from('three\n'));
    const target = mixed.lastLines('all', 2, 0);
    const own = mixed.read('all', target, 100).filter(({ worker }) => worker === 0);
    assert.equal(own.map(({ bytes }) => bytes).join(''), 'two\nthree\n');
  });

  it('may be zero lines', () => {
    assert.equal(textOf(log, 'all', log.lastLines('all', 0)), '');
  });

  it('do not start after a newline that ends the last one', () => {
    const ended = new OutputLog();
    ended.add(source(1), Buffer.from('one\ntwo\n'));
    assert.equal(textOf(ended, 'all', ended.lastLines('all', 1)), 'two\n');
  });
});
