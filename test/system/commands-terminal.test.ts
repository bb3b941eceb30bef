import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startServing } from '../support/puppet-service.ts';
import { zeroOnTerminal } from '../support/terminal.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };

describe('zero status on a terminal', () => {
  it('is coloured, and fits into 80 columns', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    const coloured = zeroOnTerminal(t, zero, ['status']);
    assert.equal((await coloured.finished).code, 0);
    assert.match(coloured.screen.text, /generation 1 {2}serving for /);
    assert.deepEqual([coloured.screen.coloured, coloured.screen.wrapped], [true, []]);
    const plain = zeroOnTerminal(t, zero, ['status'], { environment: { NO_COLOR: '1' } });
    assert.equal((await plain.finished).code, 0);
    assert.equal(plain.screen.coloured, false);
  });
});
