import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseNotification } from '../../../src/readiness/notify-message.ts';

const parse = (text: string) => parseNotification(Buffer.from(text));

describe('a notification', () => {
  it('contains every known assignment, in order', () => {
    assert.deepEqual(parse('READY=1\nSTATUS=serving = yes\nMAINPID=42\n'), [
      { kind: 'ready' },
      { kind: 'status', text: 'serving = yes' },
      { kind: 'main_pid', pid: 42 },
    ]);
    assert.deepEqual(parse('STOPPING=1\nERRNO=13'), [{ kind: 'stopping' }, { kind: 'errno', errno: 13 }]);
    assert.deepEqual(parse('RELOADING=1\nMONOTONIC_USEC=123'), [{ kind: 'reloading' }]);
    assert.deepEqual(parse('WATCHDOG=1\nEXTEND_TIMEOUT_USEC=5000000'), [
      { kind: 'watchdog' },
      { kind: 'extend_timeout', microseconds: 5_000_000 },
    ]);
    assert.deepEqual(parse('WATCHDOG=trigger'), [{ kind: 'watchdog_trigger' }]);
    assert.deepEqual(parse('WATCHDOG_USEC=20000000'), [{ kind: 'watchdog_time', microseconds: 20_000_000 }]);
    assert.deepEqual(parse('WATCHDOG_USEC=0'), [{ kind: 'watchdog_time', microseconds: 0 }]);
    assert.deepEqual(parse('FDSTORE=1\nFDNAME=x'), [{ kind: 'store_descriptors' }]);
    assert.deepEqual(parse('BARRIER=1'), [{ kind: 'barrier' }]);
    assert.deepEqual(parse('READY=1\nX_ZERO_DRAINS=1'), [
      { kind: 'ready' },
      { kind: 'drains', drains: true },
    ]);
    assert.deepEqual(parse('X_ZERO_DRAINS=0'), [{ kind: 'drains', drains: false }]);
  });

  it('may have unknown keys', () => {
    assert.deepEqual(parse('X_MINE=1\nREADY=1'), [{ kind: 'ready' }]);
    assert.deepEqual(parse('X_MINE='), []);
  });

  it('keeps valid assignments next to invalid ones', () => {
    assert.deepEqual(parse('garbage\nREADY=1'), [{ kind: 'ready' }]);
    for (const value of ['abc', '0', '-1', '1.5', '4194305', '99999999999999999999', '', '1 ']) {
      assert.deepEqual(parse(`READY=1\nMAINPID=${value}`), [{ kind: 'ready' }], value);
    }
  });

  it('ignores other values than 1', () => {
    assert.deepEqual(parse('READY=0'), []);
    assert.deepEqual(parse('READY=yes'), []);
    assert.deepEqual(parse('X_ZERO_DRAINS=2'), []);
    assert.deepEqual(parse('WATCHDOG=Trigger'), []);
    assert.deepEqual(parse('WATCHDOG=0'), []);
    assert.deepEqual(parse('WATCHDOG_USEC=soon'), []);
  });

  it('is refused without an assignment, or with binary data', () => {
    assert.equal(parse(''), null);
    assert.equal(parse('\n\n'), null);
    assert.equal(parse('READY'), null);
    assert.equal(parse('ready=1'), null);
    assert.equal(parse('READY=1\0'), null);
    assert.equal(parseNotification(Buffer.from([0x52, 0x3d, 0xff, 0xfe])), null);
  });
});
