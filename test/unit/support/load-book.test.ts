import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBalanced, balance } from '../../support/books.ts';
import { LoadBook, percentile } from '../../support/load-book.ts';

const loss = (id: string) =>
  ({ id, name: 'refused', detail: '', reused: false, at: 0, openedAt: 0, port: null }) as const;

test('a request belongs to the phase in which it was sent', () => {
  const book = new LoadBook();
  const early = book.send();
  book.startPhase('handover');
  book.answer(book.send(), 'b', '2', 1);
  book.answer(early, 'a', '1', 2);
  book.lose(book.send(), loss('c'));
  assert.equal(book.lost, 1);
  const result = book.close();
  assert.deepEqual(
    result.phases.map(({ phase, sent, answered, failures }) => ({ phase, sent, answered, failures })),
    [
      { phase: 'start', sent: 1, answered: 1, failures: {} },
      { phase: 'handover', sent: 2, answered: 1, failures: { refused: 1 } },
    ],
  );
  assert.deepEqual(result.byGeneration, { 1: 1, 2: 1 });
  assert.deepEqual([result.sent, result.answered, result.failed], [3, 2, 1]);
  assert.equal(result.losses[0]?.phase, 'handover');
});

test('a book with an open request does not close', () => {
  const book = new LoadBook();
  book.send();
  assert.throws(() => book.close(), /book of phase start is open: sent 1, answered 0/);
});

test('whenPhaseHas counts only requests of its phase', async () => {
  const book = new LoadBook();
  const early = book.send();
  book.startPhase('canary');
  let reached = false;
  const waiting = book.whenPhaseHas(1).then(() => {
    reached = true;
  });
  book.answer(early, 'a', '1', 1);
  await Promise.resolve();
  assert.equal(reached, false);
  book.answer(book.send(), 'b', '1', 1);
  await waiting;
});

test('whenPhaseHas rejects when the answers cannot arrive any more', async () => {
  const lost = new LoadBook();
  const waiting = lost.whenPhaseHas(2);
  lost.lose(lost.send(), loss('a'));
  lost.lose(lost.send(), loss('b'));
  await assert.rejects(waiting, /phase start: as many were lost before 2 answers.*refused/);

  const ended = new LoadBook();
  const late = assert.rejects(ended.whenPhaseHas(2), /the load ended before 2 answers/);
  ended.close();
  await late;
});

function answered(...ids: string[]) {
  const book = new LoadBook();
  for (const id of ids) book.answer(book.send(), id, '1', 1);
  return book;
}
const service = (pid: number, ...ids: string[]) => ({ pid, generation: '1', count: ids.length, ids });

test('the books balance for each id', () => {
  assertBalanced(answered('a', 'b', 'c').close(), [service(1, 'a', 'c'), service(2, 'b')]);
});

test('each imbalance is found', () => {
  const cases: [Parameters<typeof balance>, object][] = [
    [[answered('a', 'b').close(), [service(1, 'a')]], { uncounted: ['b'] }],
    [[answered('a').close(), [service(1, 'a', 'b')]], { unanswered: ['b'] }],
    [[answered('a').close(), [service(1, 'a'), service(2, 'a')]], { twice: ['a'] }],
    [[answered('a', 'b').close(), [service(1, 'a', 'x')]], { uncounted: ['b'], unanswered: ['x'] }],
  ];
  for (const [books, expected] of cases) {
    const { balanced, uncounted, unanswered, twice } = balance(...books);
    assert.deepEqual(
      { balanced, uncounted, unanswered, twice },
      { balanced: false, uncounted: [], unanswered: [], twice: [], ...expected },
    );
    assert.throws(() => assertBalanced(...books), /counted by \d services/);
  }
  const book = answered('a');
  book.lose(book.send(), loss('b'));
  assert.throws(() => assertBalanced(book.close(), [service(1, 'a')]), /"refused":1[\s\S]*"id":"b"/);
});

test('percentile returns the nearest rank', () => {
  const samples = Array.from({ length: 1000 }, (_, i) => 1000 - i);
  assert.equal(percentile(samples, 0.5), 500);
  assert.equal(percentile(samples, 0.999), 999);
  assert.equal(percentile(samples, 1), 1000);
  assert.equal(percentile([], 0.5), 0);
});
