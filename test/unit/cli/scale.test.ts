import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scale } from '../../../src/cli/scale.ts';
import type { ScaleResult } from '../../../src/lifecycle/scale.ts';
import { cliFixture } from './fixture.ts';

const DONE: ScaleResult = {
  outcome: 'done',
  generation: 3,
  from: 1,
  to: 4,
  workers: 4,
  duration: 1_234,
  failure: null,
};

test('scale requests the number, waits and reports how many workers run', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = scale({ workers: '4', timeout: '90s', json: false }, at.context);
  await control.until(() => control.scales.length === 1);
  control.scales[0]?.result(DONE);
  assert.equal(await code, 0);
  assert.deepEqual(control.scales[0]?.options, { workers: 4, timeoutMs: 90_000 });
  assert.equal(at.out(), 'generation 3 has 4 workers now (before: 1), after 1.2s\n');
});

test('scale --json prints the document', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = scale({ workers: '4', json: true }, at.context);
  await control.until(() => control.scales.length === 1);
  control.scales[0]?.result(DONE);
  assert.equal(await code, 0);
  const { version, ...document } = JSON.parse(at.out());
  assert.equal(typeof version, 'number');
  const { duration, ...same } = DONE;
  assert.deepEqual(document, { ...same, duration_ms: duration });
});

const CODES = { failed: 1, aborted: 12, timed_out: 11, superseded: 14, in_progress: 13 } as const;

for (const [outcome, expected] of Object.entries(CODES)) {
  test(`${outcome} exits with ${expected}, and its reason is reported`, async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('example');
    const code = scale({ workers: '4', json: false }, at.context);
    await control.until(() => control.scales.length === 1);
    const failure = outcome === 'in_progress' ? null : { step: 'scale', reason: 'no generation serves' };
    control.scales[0]?.result({ ...DONE, outcome: outcome as keyof typeof CODES, workers: 1, failure });
    assert.equal(await code, expected);
    assert.match(at.err(), failure ? /no generation serves/ : /--timeout expired/);
    assert.equal(at.out(), '');
  });
}

for (const workers of ['0', '257', '-1', '1.5', 'auto', 'four']) {
  test(`${workers} workers exits with 2`, async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('example');
    assert.equal(await scale({ workers, json: false }, at.context), 2);
    assert.match(at.err(), /must be a whole number from 1 to 256/);
    assert.equal(control.scales.length, 0);
  });
}

test('Ctrl-C exits with 13, and the change continues', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control } = await at.run('example');
  const code = scale({ workers: '4', json: false }, at.context);
  await control.until(() => control.scales.length === 1);
  control.report({ event: 'scale_started', generation: 3, by: 'zero scale', from: 1, to: 4 });
  await at.shown('changing the number of workers from 1 to 4');
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(at.err(), /still changing the number of workers/);
});

test('an upgrade in place exits with 13, and the change continues', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control, server } = await at.run('example');
  const code = scale({ workers: '1', json: false }, at.context);
  await control.until(() => control.scales.length === 1);
  control.report({ event: 'scale_started', generation: 3, by: 'zero scale', from: 4, to: 1 });
  control.report({ event: 'supervisor_upgrading', from: '1', to: '2', path: '/bin/zero', node: '/bin/node' });
  await at.shown('changing the number of workers from 4 to 1');
  await server.close({ isUpgrade: true });
  assert.equal(await code, 13);
  assert.match(at.err(), /still changing the number of workers/);
});
