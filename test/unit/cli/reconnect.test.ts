import assert from 'node:assert/strict';
import { describe, it, type TestContext, test } from 'node:test';
import { logs } from '../../../src/cli/logs.ts';
import { type ReloadOptions, reload } from '../../../src/cli/reload.ts';
import { status } from '../../../src/cli/status.ts';
import { wait } from '../../../src/cli/wait.ts';
import { PROMOTED, STATUS } from '../control/fake-control.ts';
import { type CliFixture, cliFixture } from './fixture.ts';

const LOST = 'zero: connection lost. Waiting up to 60 s for the supervisor to run again\n';
const BACK = 'zero: the supervisor is running again\n';

const RELOAD: ReloadOptions = { preview: false, replace: false, wait: true, json: false };

/** A command that waits for handover 2 of a dead supervisor, which is restarted or not. */
async function lose(t: TestContext, restarts: boolean): Promise<{ at: CliFixture; code: Promise<number> }> {
  const at = cliFixture(t);
  const { control, server } = await at.run('example');
  control.isRestarted = restarts;
  const code = reload(RELOAD, at.context);
  await control.until(() => control.reloads.length === 1);
  await server.close();
  return { at, code };
}

test('reload asks the next supervisor for the verdict', async (t) => {
  const { at, code } = await lose(t, true);
  const { control } = await at.run('example');
  await control.until(() => control.waits.length === 1);
  assert.equal(control.waits[0]?.handover, 2);
  control.waits[0]?.verdict(PROMOTED);
  assert.equal(await code, 0);
  assert.deepEqual(control.calls, ['wait', 'cancel']);
});

test('wait does the same, and survives more than one restart of the supervisor', async (t) => {
  const at = cliFixture(t);
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

test('the command does not wait for a supervisor that nothing restarts', async (t) => {
  const { at, code } = await lose(t, false);
  assert.equal(await code, 1);
  assert.match(at.err(), /^zero reload: zero exited before it reported the result\. Check its log\.\n$/);
});

test('the command gives up if no supervisor starts within a minute', async (t) => {
  const { at, code } = await lose(t, true);
  const ticking = setInterval(() => at.tick(), 1);
  t.after(() => clearInterval(ticking));
  for (let seconds = 0; seconds < 61; seconds += 1) at.tick();
  assert.equal(await code, 1);
  assert.match(at.err(), /zero exited before it reported the result\. Check its log\.\n$/);
});

test('Ctrl-C ends the wait for the next supervisor', async (t) => {
  const { at, code } = await lose(t, true);
  const { control } = await at.run('example');
  await control.until(() => control.waits.length === 1);
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(at.err(), /Handover 2 is still in progress\./);
});

test('a verdict that is unknown to the next supervisor exits with 1 and the reason', async (t) => {
  const at = cliFixture(t);
  const { control, server } = await at.run('example');
  control.isRestarted = true;
  // The number of the handover is then 3, which the other supervisor does not know.
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

describe('a supervisor that is upgraded in place', () => {
  const UPGRADED = { restarts: 0, upgrades: 1, started_by: 'upgrade' };
  const OUTPUT = { generation: 3, worker: 0, stream: 'stdout' } as const;
  const LOGS = { follow: true, json: false, raw: true };

  it('is followed by zero logs -f without duplicate lines', async (t) => {
    const at = cliFixture(t);
    const { views, server } = await at.run('example');
    views.output.add(OUTPUT, Buffer.from('one\ntwo\n'));
    const code = logs({ ...LOGS, lines: '1', since: '1h' }, at.context);
    await at.printed('two\n');
    views.output.add(OUTPUT, Buffer.from('three\n'));
    await server.close({ isUpgrade: true });
    await at.shown(LOST);
    const next = await at.run('example');
    next.control.document = { ...STATUS, supervisor: UPGRADED };
    next.views.output.add(OUTPUT, Buffer.from('four\nfive\n'));
    await at.printed('five\n');
    at.interrupt();
    assert.deepEqual([await code, at.out()], [0, 'two\nthree\nfour\nfive\n']);
    assert.equal(at.err(), `${LOST}${BACK}`);
  });

  it('is followed by zero logs -f of one generation until that generation has ended', async (t) => {
    const at = cliFixture(t);
    const { views, server } = await at.run('example');
    views.output.add(OUTPUT, Buffer.from('one\n'));
    const code = logs({ ...LOGS, generation: '3' }, at.context);
    await at.printed('one\n');
    await server.close({ isUpgrade: true });
    const { control } = await at.run('example');
    control.document = { ...STATUS, supervisor: UPGRADED };
    assert.deepEqual([await code, at.out()], [0, 'one\n']);
  });

  it('is followed by zero status --watch, which prints only documents to standard output', async (t) => {
    const at = cliFixture(t);
    const { views, server } = await at.run('example');
    const code = status({ json: true, watch: true }, at.context);
    await at.printed('"pid":4242');
    views.events.report({ event: 'supervisor_upgrading', from: '1', to: '2', path: '/z', node: '/n' });
    views.events.report({ event: 'warning', about: 'x', message: 'y' });
    await server.close({ isUpgrade: true });
    await at.shown(LOST);
    const { control } = await at.run('example');
    control.document = { ...STATUS, supervisor: UPGRADED };
    await at.printed('"upgrades":1');
    at.interrupt();
    assert.deepEqual([await code, at.err()], [0, `${LOST}${BACK}`]);
    const documents = at
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).supervisor?.upgrades);
    assert.deepEqual(documents, [undefined, 1]);
  });

  it('ends zero status --watch if the new program does not respond within a minute', async (t) => {
    const at = cliFixture(t);
    const { views, server } = await at.run('example');
    const code = status({ json: true, watch: true }, at.context);
    await at.printed('"pid":4242');
    views.events.report({ event: 'supervisor_upgrading', from: '1', to: '2', path: '/z', node: '/n' });
    await server.close({ isUpgrade: true });
    await at.shown(LOST);
    const ticking = setInterval(() => at.tick(), 1);
    t.after(() => clearInterval(ticking));
    assert.equal(await code, 1);
    const message = 'zero exited and was not started again in time. Check its log.';
    assert.equal(at.err(), `${LOST}zero status: ${message}\n`);
    const { error, exit_code } = JSON.parse(at.out().trimEnd().split('\n').at(-1) ?? '');
    assert.deepEqual([error, exit_code], [{ code: 'gone', message }, 1]);
  });

  it('that keeps its program causes no duplicate lines in zero logs -f', async (t) => {
    const at = cliFixture(t);
    const { views, server } = await at.run('example');
    views.output.add(OUTPUT, Buffer.from('one\n'));
    const code = logs(LOGS, at.context);
    await at.printed('one\n');
    await server.close({ isUpgrade: true });
    const next = await at.run('example');
    next.views.output.add(OUTPUT, Buffer.from('one\n'));
    assert.deepEqual([await code, at.out()], [1, 'one\n']);
    assert.match(at.err(), /zero logs: zero exited unexpectedly\. Check its log\.\n$/);
  });
});
