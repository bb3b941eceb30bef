import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journal } from '../../support/journal.ts';

test('an existing entry counts, unless the cursor is behind it', async () => {
  const journal = new Journal<number>();
  journal.push(1);
  assert.equal(await journal.waitFor((n) => n === 1), 1);
  const later = journal.waitFor((n) => n % 2 === 1, journal.cursor);
  journal.push(2);
  journal.push(3);
  assert.equal(await later, 3);
});

test('close rejects current and later callers', async () => {
  const journal = new Journal<number>();
  const waiting = assert.rejects(
    journal.waitFor(() => true),
    /over/,
  );
  journal.close(() => new Error('over'));
  await waiting;
  await assert.rejects(
    journal.waitFor(() => true),
    /over/,
  );
});
