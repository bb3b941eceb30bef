import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type WaitOptions, wait } from '../../../src/cli/wait.ts';
import type { Verdict } from '../../../src/lifecycle/verdicts.ts';
import { PROMOTED } from '../control/fake-control.ts';
import { cliFixture } from './fixture.ts';

const ROLLED_BACK: Verdict = {
  ...PROMOTED,
  outcome: 'rolled_back',
  incumbent: 3,
  failure: { step: 'exit', reason: 'exited with code 7' },
};

const WAIT: WaitOptions = { json: false };

test('wait follows the given handover, and exits as its verdict requires', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = wait({ ...WAIT, handover: '2' }, at.context);
  await control.until(() => control.waits.length === 1);
  control.waits[0]?.verdict(ROLLED_BACK);
  assert.equal(await code, 10);
  assert.match(at.err(), /^handover 2 rolled back after /);
  assert.equal(control.waits[0]?.handover, 2);
  await control.until(() => control.listeners === 0);
});

test('wait without a number lets zero choose the handover', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = wait({ ...WAIT, json: true }, at.context);
  await control.until(() => control.waits.length === 1);
  control.waits[0]?.verdict(PROMOTED);
  assert.equal(await code, 0);
  assert.equal(control.waits[0]?.handover, null);
  assert.equal(JSON.parse(at.out()).outcome, 'promoted');
});

test('wait exits with 13 at Ctrl-C, and withdraws its request', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control } = await at.run('example');
  const code = wait(WAIT, at.context);
  await control.until(() => control.waits.length === 1);
  control.report({ event: 'handover_started', handover: 2, incumbent: 3, by: 'SIGHUP' });
  await at.shown('handover 2 started');
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(at.err(), /Handover 2 is still in progress\. Wait for its result with: zero wait 2\./);
  await control.until(() => control.listeners === 0);
  assert.deepEqual(control.calls, ['wait', 'cancel']);
});

test('wait for an unknown handover exits with 1, an invalid number with 2', async (t) => {
  const at = cliFixture(t);
  await at.run('example');
  assert.equal(await wait({ ...WAIT, handover: '7' }, at.context), 1);
  assert.equal(at.err(), 'zero wait: unknown handover 7: known handovers are 1 to 2\n');
  assert.equal(await wait({ ...WAIT, handover: 'last' }, at.context), 2);
  assert.equal(await wait({ ...WAIT, timeout: '0s' }, at.context), 2);
});
