import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOf } from '../../../src/cli/exit-code.ts';

test('each outcome has its exit code, and an unknown outcome of a newer supervisor is a failure', () => {
  const codes = {
    promoted: 0,
    failed: 1,
    rolled_back: 10,
    timed_out: 11,
    aborted: 12,
    in_progress: 13,
    superseded: 14,
    postponed: 1,
    constructor: 1,
  };
  assert.deepEqual(
    Object.fromEntries(Object.keys(codes).map((outcome) => [outcome, exitCodeOf(outcome)])),
    codes,
  );
});
