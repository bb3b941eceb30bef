import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSince } from '../../../src/cli/since.ts';

const NOW = new Date(2026, 10, 26, 17, 30, 15, 500).getTime();

function timeOf(text: string): number {
  const parsed = parseSince(text, NOW);
  assert.ok('value' in parsed, JSON.stringify(parsed));
  return parsed.value;
}

describe('--since', () => {
  it('accepts a duration before now', () => {
    assert.equal(timeOf('5m'), NOW - 300_000);
    assert.equal(timeOf('1h30m'), NOW - 5_400_000);
    assert.equal(timeOf('0'), NOW);
    assert.equal(timeOf('200000h'), 0 + Math.max(0, NOW - 200_000 * 3_600_000));
  });

  it('accepts a date and time of RFC 3339', () => {
    const expected = Date.UTC(2026, 10, 26, 17, 0, 0);
    assert.equal(timeOf('2026-11-26T17:00:00Z'), expected);
    assert.equal(timeOf('2026-11-26t17:00:00z'), expected);
    assert.equal(timeOf('2026-11-26 18:00:00+01:00'), expected);
    assert.equal(timeOf('2026-11-26T17:00:00.250Z'), expected + 250);
  });

  it('accepts a time of day, which is the most recent one in the local time zone', () => {
    assert.equal(timeOf('17:00'), new Date(2026, 10, 26, 17, 0, 0).getTime());
    assert.equal(timeOf('17:30:15'), new Date(2026, 10, 26, 17, 30, 15).getTime());
    assert.equal(timeOf('17:31'), new Date(2026, 10, 25, 17, 31, 0).getTime());
    assert.equal(timeOf('00:00'), new Date(2026, 10, 26, 0, 0, 0).getTime());
  });

  for (const wrong of [
    '',
    '5',
    '5x',
    '-5m',
    '24:00',
    '17:60',
    '7:00',
    '2026-11-26',
    '2026-11-26T17:00:00',
    '2026-13-26T17:00:00Z',
    'now',
  ]) {
    it(`refuses ${JSON.stringify(wrong)} and lists the formats`, () => {
      const parsed = parseSince(wrong, NOW);
      assert.ok('problem' in parsed);
      assert.match(parsed.problem, /is not a time\. Write a duration \(5m, 1h30m\), a date and time/);
    });
  }
});
