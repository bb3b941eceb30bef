import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Figure } from '../../../bench/figures.ts';
import { comparison, summary } from '../../../bench/report.ts';

const figure = (name: string, column: string, values: readonly number[]): Figure => ({
  name,
  column,
  unit: 'ms',
  target: null,
  values,
  samples: {},
});

test('figures of several programs form a table with one column per program, and a dash for a missing figure', () => {
  const figures = [figure('start', 'a', [3, 1, 2]), figure('start', 'b', [5]), figure('reload', 'b', [7])];
  assert.deepEqual(comparison(figures), [
    '## Side by side',
    '',
    '| | a | b |',
    '| --- | --- | --- |',
    '| start (ms) | 2 | 5 |',
    '| reload (ms) | - | 7 |',
    '',
  ]);
});

test('figures without a column are omitted from the table', () => {
  const { column, ...plain } = figure('start', 'a', [1]);
  assert.equal(column, 'a');
  assert.deepEqual(comparison([plain]), []);
});

test('a line for the terminal begins with the column of the figure', () => {
  const inColumn = figure('start', 'a', [1]);
  const { column, ...plain } = inColumn;
  assert.equal(column, 'a');
  assert.equal(summary(inColumn), 'a: start |  | 1 ms | 1..1 | 1 | ');
  assert.equal(summary(plain), 'start |  | 1 ms | 1..1 | 1 | ');
});
