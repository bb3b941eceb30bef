import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventFeed } from '../../../src/control/event-feed.ts';
import { EventLog } from '../../../src/control/event-log.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';

const fact = (generation: number): Fact => ({ event: 'generation_retiring', generation });
const LARGE: Fact = { event: 'warning', about: 'x', message: 'x'.repeat(1000) };

function logOf(count: number, limits = { count: 10, size: 10_000 }): EventLog {
  const log = new EventLog(() => 0, limits);
  for (let number = 1; number <= count; number += 1) log.report(fact(number));
  return log;
}

const numbers = (log: EventLog, after: number, size = Number.POSITIVE_INFINITY): number[] =>
  log.after(after, size).map(({ number }) => number);

describe('kept events', () => {
  it('are the newest ones', () => {
    const log = logOf(12);
    assert.deepEqual([log.newest, numbers(log, 0)], [12, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]);
    assert.deepEqual(numbers(log, 11), [12]);
    assert.deepEqual(numbers(log, 12), []);
  });

  it('have a size limit, and the newest is always kept', () => {
    const log = logOf(3, { count: 10, size: 500 });
    log.report(LARGE);
    assert.deepEqual(numbers(log, 0), [4]);
    log.report(fact(5));
    assert.deepEqual(numbers(log, 0), [5]);
  });

  it('are returned in portions of at least one', () => {
    assert.deepEqual(numbers(logOf(5), 1, 1), [2]);
  });

  it('have the time and the fields of the log', () => {
    assert.deepEqual(JSON.parse(logOf(1).after(0, 1)[0]?.text ?? ''), {
      time: '1970-01-01T00:00:00.000Z',
      event: 'generation_retiring',
      generation: 1,
    });
  });
});

describe('the stream of events', () => {
  const idOf = (log: EventLog, number: number): string => `${log.epoch}.${number}`;
  /** [id or type, data] of every entry so far. */
  const entriesOf = (text: string | null): string[] =>
    (text ?? '').split('\n\n').filter((block) => block !== '');

  it('starts with its position, and continues from there', () => {
    const log = logOf(2);
    const feed = eventFeed(log, undefined);
    assert.deepEqual(entriesOf(feed.next()), [`id: ${idOf(log, 2)}`]);
    assert.equal(feed.next(), '');
    log.report(fact(3));
    assert.match(feed.next() ?? '', new RegExp(`^id: ${idOf(log, 3)}\ndata: \\{.*"generation":3\\}\n\n$`));
    assert.equal(feed.next(), '');
  });

  it('resumes after the last received event', () => {
    const log = logOf(5);
    const feed = eventFeed(log, idOf(log, 3));
    assert.deepEqual(
      entriesOf(feed.next()).map((block) => block.split('\n')[0]),
      [3, 4, 5].map((number) => `id: ${idOf(log, number)}`),
    );
  });

  it('reports how many events were discarded', () => {
    const log = logOf(15);
    const [, gap, first] = entriesOf(eventFeed(log, idOf(log, 1)).next());
    assert.equal(gap, `event: gap\nid: ${idOf(log, 5)}\ndata: {"missed":4}`);
    assert.match(first ?? '', /"generation":6/);
  });

  it('reports the same to a reader that was too slow', () => {
    const log = logOf(1);
    const feed = eventFeed(log, undefined);
    feed.next();
    for (let number = 2; number <= 20; number += 1) log.report(fact(number));
    const [gap, first] = entriesOf(feed.next());
    assert.match(gap ?? '', /^event: gap\n.*\ndata: \{"missed":9\}$/s);
    assert.match(first ?? '', /"generation":11/);
  });

  it('of another supervisor starts with all kept events and an unknown number of missed ones', () => {
    const log = logOf(2);
    const blocks = entriesOf(eventFeed(log, 'k3x-1a.77').next());
    assert.deepEqual(blocks.slice(0, 2), [
      `id: ${idOf(log, 0)}`,
      `event: gap\nid: ${idOf(log, 0)}\ndata: {"missed":null}`,
    ]);
    assert.equal(blocks.length, 4);
  });

  for (const nonsense of ['x', '1', 'a-b.', '-.1', 'a-b.1e3', `${'9'.repeat(40)}`, 'a-b.99999999999999999']) {
    it(`refuses ${nonsense}`, () => {
      assert.throws(() => eventFeed(logOf(1), nonsense), { code: 'bad_request', field: 'last_event_id' });
    });
  }

  it('refuses the id of a future event', () => {
    const log = logOf(1);
    assert.throws(() => eventFeed(log, idOf(log, 2)), /no event has this id yet/);
  });
});
