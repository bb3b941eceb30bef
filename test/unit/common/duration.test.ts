import assert from 'node:assert/strict';
import test from 'node:test';
import { formatDuration, parseDuration } from '../../../src/common/duration.ts';

for (const [text, milliseconds] of [
  ['0', 0],
  ['-0', 0],
  ['0s', 0],
  ['500ms', 500],
  ['1.5h', 5_400_000],
  ['1m30s', 90_000],
  ['1h15m30.918s', 4_530_918],
  ['.5s', 500],
  ['1.s', 1000],
  ['+5s', 5000],
  ['1us', 0.001],
  ['1\u00b5s', 0.001],
  ['1\u03bcs', 0.001],
  ['1ns', 0.000001],
  ['100000h', 360_000_000_000],
] as const) {
  test(`duration ${text}`, () => assert.deepEqual(parseDuration(text), { value: milliseconds }));
}

for (const [text, problem] of [
  ['', 'is empty: write a duration such as 30s'],
  ['30', '"30" has no unit: write 30s'],
  ['1.5', '"1.5" has no unit: write 1.5s'],
  ['1m30', '"1m30" has no unit: write one after every number, as in 1m30s'],
  ['-5s', '"-5s" is negative'],
  ['1d', '"1d" has the unknown unit "d": write hours, 1d is 24h'],
  ['2 s', '"2 s" has no unit: write one after every number, as in 1m30s'],
  ['5S', '"5S" has the unknown unit "S": the units are ns, us, ms, s, m and h'],
  ['soon', '"soon" is not a duration: write it as in 500ms, 30s or 1h30m'],
  ['--5s', '"--5s" is not a duration: write it as in 500ms, 30s or 1h30m'],
  ['.s', '".s" is not a duration: write it as in 500ms, 30s or 1h30m'],
  ['3000000h', '"3000000h" is longer than the 292 years a duration can hold'],
] as const) {
  test(`invalid duration: ${JSON.stringify(text)}`, () => assert.deepEqual(parseDuration(text), { problem }));
}

test('a formatted duration is parsed to the same value', () => {
  for (const value of [
    0, 0.000001, 0.5, 1, 1.5, 250, 999.999, 1000, 1500, 60_000, 90_000, 3_600_000, 3_600_500, 86_461_001,
  ]) {
    assert.deepEqual(parseDuration(formatDuration(value)), { value }, formatDuration(value));
  }
  assert.equal(formatDuration(90_000), '1m30s');
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(3_600_500), '1h0.5s');
});
