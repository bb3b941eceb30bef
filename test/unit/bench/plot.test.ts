import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Figure } from '../../../bench/figures.ts';
import { svg, ticks } from '../../../bench/plot.ts';
import { panelsOf } from '../../../bench/report.ts';

const figure = (x: number, values: readonly number[], atMost?: number): Figure => ({
  name: `${x} listeners`,
  unit: 'ms',
  target: atMost === undefined ? null : { atMost },
  values,
  samples: {},
  points: [{ axis: 'listeners', panel: 'handover', x }],
});

const [panel] = panelsOf([figure(100, [30, 20, 40], 50), figure(1, [2, 4])], 'listeners');
assert(panel !== undefined);

test('a panel shows the median of each figure, sorted by the axis, and the targets', () => {
  assert.deepEqual(panel, {
    title: 'handover',
    unit: 'ms',
    points: [
      { x: 1, values: [2, 4], middle: 3 },
      { x: 100, values: [30, 20, 40], middle: 30 },
    ],
    limits: [{ x: 100, atMost: 50 }],
  });
  assert.deepEqual(panelsOf([figure(1, [1])], 'workers'), []);
});

test('axes begin at 0 and end at or above the greatest value, in steps of 1, 2 or 5', () => {
  assert.deepEqual(ticks(1_000), [0, 200, 400, 600, 800, 1_000]);
  assert.deepEqual(ticks(64), [0, 20, 40, 60, 80]);
  assert.deepEqual(ticks(0.3), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(2.1), [0, 0.5, 1, 1.5, 2, 2.5]);
});

test('a plot places the largest values at the ends of the axes, and escapes its texts', () => {
  const text = svg('listeners', [{ ...panel, title: 'a < b' }]);
  // 300 x 200 with the axes from 52 to 282 and from 166 up to 34. The vertical axis ends at 50, the horizontal one at
  // 100.
  assert.match(text, /<polyline class="line" points="54\.3,158\.1 282,86\.8"\/>/);
  assert.match(text, /<path class="limit" d="M278,30 l8,8 m0,-8 l-8,8"\/>/);
  assert.match(text, /a &lt; b, ms/);
});
