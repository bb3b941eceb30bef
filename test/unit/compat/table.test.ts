import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CompatServer, type Counts, closesWithoutStop, type Outcome } from '../../compat/server.ts';
import { countsText, tableText } from '../../compat/table.ts';

const machine = {
  cpu: 'CPU',
  cores: 2,
  memory: '8 GiB',
  kernel: 'Linux 6.1',
  node: 'v20.0.0',
  date: '2026-11-27 05:00',
  load: 0,
};
const server: CompatServer = {
  title: 'a|b',
  source: { debian: 'a', program: 'a' },
  example: 'a',
  config: 'a.yaml',
  warnings: 'it says so',
};
const counts = (
  sent: number,
  failures: Record<string, number> = {},
  idleCloses: readonly number[] = [],
): Counts => ({
  sent,
  failures,
  idleCloses,
});
const outcome: Outcome = {
  title: 'a|b',
  version: 'Debian a 1.0',
  handovers: 5,
  short: counts(10),
  kept: counts(20, { eof_before_response: 1 }, [1]),
  sockets: ['non-blocking'],
  warnings: ['one'],
  problems: [],
};

describe('countsText', () => {
  it('contains the name and the number of each failure', () => {
    assert.equal(countsText(counts(7)), '7: 0 failed');
    assert.equal(
      countsText(counts(7, { refused: 2, status_502: 1 })),
      '7: 3 failed (refused 2, status_502 1)',
    );
    assert.equal(countsText(null), 'not applicable');
  });
});

describe('closesWithoutStop', () => {
  it('contains the closes more than a second before the signal or after the last exit', () => {
    const stops = [
      { from: 5_000, to: 6_000 },
      { from: 20_000, to: 30_000 },
    ];
    const closes = [3_999, 4_001, 5_500, 6_999, 7_001, 25_000];
    assert.deepEqual(closesWithoutStop(counts(9, {}, closes), stops), [3_999, 7_001]);
    assert.deepEqual(closesWithoutStop(counts(9, {}, [1]), []), [1]);
  });
});

describe('tableText', () => {
  it('contains the date, the machine and one row for each server', () => {
    const text = tableText(machine, [[server, outcome]], [{ title: 't', reason: 'r', alternative: 'x' }]);
    assert.match(text, /Run of 2026-11-27 05:00 UTC on CPU, 2 cores, 8 GiB, Linux 6\.1, Node v20\.0\.0\./);
    assert.ok(
      text.includes(
        '| a\\|b | Debian a 1.0 | 5 | 10: 0 failed | 20: 1 failed (eof_before_response 1) | 1 | ' +
          'closed idle connections ([1]); it says so |',
      ),
      text,
    );
    assert.ok(text.includes('| t | r | x |'), text);
  });

  it('shows failures', () => {
    const missing = { ...outcome, short: null, kept: null, problems: ['missing: a'] };
    assert.match(tableText(machine, [[server, missing]], []), /not applicable .* \*\*missing: a\*\*/);
  });
});
