import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OutputLog, type OutputSource, type OutputView } from '../../../src/workers/output-log.ts';

const source = (generation: number, worker = 0, stream: 'stdout' | 'stderr' = 'stdout'): OutputSource => ({
  generation,
  worker,
  stream,
});

const textOf = (log: OutputLog, view: OutputView, from = 0): string =>
  log
    .read(view, from, Number.POSITIVE_INFINITY)
    .map(({ bytes }) => bytes)
    .join('');

describe('what services wrote', () => {
  it('comes back in the order in which it was read, by source', () => {
    const log = new OutputLog();
    log.add(source(1), Buffer.from('a\n'));
    log.add(source(2, 3, 'stderr'), Buffer.from('b\n'));
    log.add(source(1), Buffer.from('c\n'));
    assert.deepEqual(
      log.read('all', 0, 100).map(({ bytes, ...rest }) => ({ ...rest, text: bytes.toString() })),
      [
        { at: 0, generation: 1, worker: 0, stream: 'stdout', text: 'a\n' },
        { at: 2, generation: 2, worker: 3, stream: 'stderr', text: 'b\n' },
        { at: 4, generation: 1, worker: 0, stream: 'stdout', text: 'c\n' },
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

  it('is one piece as long as nobody else writes, and can be read in parts', () => {
    const log = new OutputLog();
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

  it('survives as bytes: junk, and lines longer than a slab', () => {
    const log = new OutputLog();
    const junk = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7919) % 256));
    log.add(source(1), junk);
    assert.deepEqual(
      Buffer.concat(log.read('all', 0, Number.POSITIVE_INFINITY).map(({ bytes }) => bytes)),
      junk,
    );
  });

  it('has a bound for each generation, and the newest stays', () => {
    const log = new OutputLog({ slab: 64, perGeneration: 2, total: 10 });
    for (let count = 0; count < 1000; count += 1) log.add(source(1), Buffer.from(`${count}\n`));
    assert.equal(log.held, 128);
    const [first] = log.read('all', 0, 1);
    assert.ok(first !== undefined && first.at > 0);
    assert.equal(textOf(log, 'all').split('\n').at(-2), '999');
    assert.equal(log.end('all'), first.at + textOf(log, 'all').length);
  });

  it('has a bound for all, also in the worst case: the oldest generation makes room', () => {
    const log = new OutputLog({ slab: 64, perGeneration: 2, total: 4 });
    for (let generation = 1; generation <= 50; generation += 1) {
      for (let count = 0; count < 20; count += 1) {
        // Sources that take turns byte by byte: each is a record.
        log.add(source(generation, count % 2), Buffer.from('x'));
        assert.ok(log.held <= 256);
      }
      log.close(generation);
    }
    assert.deepEqual(log.generations, [49, 50]);
    assert.equal(log.end(49), 20);
  });

  it('leaves nothing behind of a generation that wrote nothing', () => {
    const log = new OutputLog();
    log.open(1);
    assert.deepEqual([log.generations, log.held, log.isOpen(1)], [[1], 0, true]);
    log.close(1);
    assert.deepEqual([log.generations, log.isOpen(1)], [[], false]);
  });

  it('outlives it, and is closed', () => {
    const log = new OutputLog();
    log.add(source(1), Buffer.from('last words\n'));
    log.close(1);
    assert.deepEqual([log.isOpen(1), textOf(log, 1)], [false, 'last words\n']);
  });

  it('tells whoever waits, for more and for the end', () => {
    const log = new OutputLog();
    let told = 0;
    const end = log.onMore(() => {
      told += 1;
    });
    log.add(source(1), Buffer.from('x'));
    log.close(1);
    end();
    log.add(source(1), Buffer.from('x'));
    assert.equal(told, 2);
  });
});

describe('the last lines', () => {
  const log = new OutputLog();
  log.add(source(1), Buffer.from('one\ntwo\n'));
  log.add(source(2), Buffer.from('three\n'));
  log.add(source(1), Buffer.from('four\nopen'));

  it('are counted over all sources; a line that is not ended yet is one', () => {
    assert.equal(textOf(log, 'all', log.lastLines('all', 1)), 'open');
    assert.equal(textOf(log, 'all', log.lastLines('all', 3)), 'three\nfour\nopen');
    assert.equal(textOf(log, 'all', log.lastLines('all', 99)), 'one\ntwo\nthree\nfour\nopen');
  });

  it('of one generation are its own', () => {
    assert.equal(textOf(log, 2, log.lastLines(2, 5)), 'three\n');
    assert.equal(textOf(log, 1, log.lastLines(1, 3)), 'two\nfour\nopen');
  });

  it('none is nothing', () => {
    assert.equal(textOf(log, 'all', log.lastLines('all', 0)), '');
  });

  it('do not begin after a newline that ends the last one', () => {
    const ended = new OutputLog();
    ended.add(source(1), Buffer.from('one\ntwo\n'));
    assert.equal(textOf(ended, 'all', ended.lastLines('all', 1)), 'two\n');
  });
});
