import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ControllingTerminal } from '../../../../src/supervisor/start/terminal.ts';

function terminalOf(t: TestContext, state: { device: number | null; isUsed: boolean; now: number }) {
  const terminal = new ControllingTerminal({
    device: () => state.device,
    isUsed: () => state.isUsed,
    now: () => state.now,
  });
  t.after(() => terminal.close());
  return terminal;
}

test('without a terminal every SIGHUP comes from a process', (t) => {
  const state = { device: 0, isUsed: false, now: 0 };
  const terminal = terminalOf(t, state);
  assert.equal(terminal.hangup(), 'sent');
  state.now = 5000;
  assert.equal(terminal.hangup(), 'sent');
});

test('a SIGHUP on an open terminal comes from a process, within a second after its end from the kernel', (t) => {
  const state: { device: number | null; isUsed: boolean; now: number } = { device: 7, isUsed: true, now: 0 };
  const terminal = terminalOf(t, state);
  assert.equal(terminal.hangup(), 'sent');
  state.now = 60_000;
  // Without free descriptors nothing can be read.
  state.device = null;
  assert.equal(terminal.hangup(), 'sent');
  state.device = 0;
  assert.equal(terminal.hangup(), 'closed');
  state.now += 900;
  assert.equal(terminal.hangup(), 'closed');
  state.now += 200;
  assert.equal(terminal.hangup(), 'sent');
});

test('a terminal without any standard stream is not used', (t) => {
  const state = { device: 7, isUsed: false, now: 0 };
  const terminal = terminalOf(t, state);
  state.device = 0;
  assert.equal(terminal.hangup(), 'closed, unused');
  state.now = 1100;
  assert.equal(terminal.hangup(), 'sent');
});
