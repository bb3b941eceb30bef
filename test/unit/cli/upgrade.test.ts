import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upgrade, upgradeAll } from '../../../src/cli/upgrade.ts';
import { cliFixture } from './fixture.ts';

test('Ctrl-C exits with 13, and the upgrade continues', async (t) => {
  const at = cliFixture(t, { interactive: true });
  const { control } = await at.run('example');
  const code = upgrade({}, at.context);
  await control.until(() => control.upgrades.length === 1);
  control.report({ event: 'supervisor_upgrading', from: '1', to: '2', path: '/opt/zero', node: '/opt/node' });
  at.interrupt();
  assert.equal(await code, 13);
  assert.match(at.err(), /the upgrade is still in progress/);
});

test('Ctrl-C before the request exits with 1, and nothing is upgraded', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  at.interrupt();
  assert.equal(await upgrade({}, at.context), 1);
  assert.equal(at.err(), 'zero upgrade: interrupted before zero answered\n');
  assert.equal(await upgradeAll({ all: true }, at.context), 1);
  assert.match(at.err(), /zero upgrade: interrupted\n$/);
  assert.deepEqual(control.upgrades, []);
});

test('a refused upgrade exits with 1 and the reason', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = upgrade({}, at.context);
  await control.until(() => control.upgrades.length === 1);
  control.upgrades[0]?.answer({ ok: false, message: 'another upgrade is in progress' });
  assert.equal(await code, 1);
  assert.equal(at.err(), 'zero upgrade: another upgrade is in progress\n');
});
