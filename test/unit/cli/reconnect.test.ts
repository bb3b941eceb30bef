import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ReloadOptions, reload } from '../../../src/cli/reload.ts';
import { wait } from '../../../src/cli/wait.ts';
import { PROMOTED } from '../control/fake-control.ts';
import { type Desk, desk } from './fixture.ts';

const RELOAD: ReloadOptions = { preview: false, replace: false, wait: true, json: false };

/** A command that waits for handover 2 of a supervisor that has died; something starts it again, or nothing does. */
async function lose(t: TestContext, restarts: boolean): Promise<{ at: Desk; code: Promise<number> }> {
  const at = desk(t);
  const { control, server } = await at.run('example');
  control.isRestarted = restarts;
  const code = reload(RELOAD, at.context);
  await control.until(() => control.reloads.length === 1);
  await server.close();
  return { at, code };
}

test('the next supervisor is asked for the verdict', async (t) => {
  const { at, code } = await lose(t, true);
  const { control } = await at.run('example');
  await control.until(() => control.waits.length === 1);
  assert.equal(control.waits[0]?.handover, 2);
  control.waits[0]?.verdict(PROMOTED);
  assert.equal(await code, 0);
  assert.deepEqual(control.calls, ['wait', 'cancel']);
});

test('so does zero wait, and more than one supervisor may die meanwhile', async (t) => {
  const at = desk(t);
  const first = await at.run('example');
  first.control.isRestarted = true;
  const code = wait({ json: false }, at.context);
  await first.control.until(() => first.control.waits.length === 1);
  await first.server.close();
  const second = await at.run('example');
  second.control.isRestarted = true;
  await second.control.until(() => second.control.waits.length === 1);
  await second.server.close();
  const { control } = await at.run('example');
  await control.until(() => control.waits.length === 1);
  assert.equal(control.waits[0]?.handover, 2);
  control.waits[0]?.verdict(PROMOTED);
  assert.equal(await code, 0);
});

test('a supervisor that nothing starts again is not waited for', async (t) => {
  const { at, code } = await lose(t, false);
  assert.equal(await code, 1);
  assert.match(at.err(), /^zero reload: zero exited before it reported the result\. Check its log\.\n$/);
});

test('one that does not come back within a minute is given up', async (t) => {
  const { at, code } = await lose(t, true);
  const ticking = setInterval(() => at.tick(), 1);
  t.after(() => clearInterval(ticking));
  for (let seconds = 0; seconds < 61; seconds += 1) at.tick();
  assert.equal(await code, 1);
  assert.match(at.err(), /zero exited before it reported the result\. Check its log\.\n$/);
});

test('Ctrl-C ends the wait at the next supervisor, too', async (t) => {
  const { at, code } = await lose(t, true);
  const { control } = await at.run('example');
  await control.until(() => control.waits.length === 1);
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(at.err(), /Handover 2 is still in progress\./);
});

test('a verdict that the next supervisor does not know is 1, with its reason', async (t) => {
  const at = desk(t);
  const { control, server } = await at.run('example');
  control.isRestarted = true;
  // The number of the handover is 3 then, which the other one does not know.
  control.reloads.push({ options: { ...RELOAD, timeoutMs: null, label: null }, verdict: () => {} });
  const code = reload(RELOAD, at.context);
  await control.until(() => control.reloads.length === 2);
  await server.close();
  await at.run('example');
  assert.equal(await code, 1);
  assert.match(
    at.err(),
    /^zero reload: zero was started again and does not know the result: unknown handover 3: known handovers are 1 to 2\n$/,
  );
});
