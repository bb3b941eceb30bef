import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../../src/config/index.ts';
import { instanceNamed } from '../../../../src/supervisor/instance/instance.ts';
import { restartNeeded } from '../../../../src/supervisor/run/settings.ts';
import { configOf as parsed } from '../../config/fixture.ts';

const NAME = 'web';

function configOf(application: object, name?: string): Config {
  const runtime = { path: '/bin/true', ...(name !== undefined && { name }) };
  return parsed(JSON.stringify({ application, service: { runtime } }));
}

/** The changes from the defaults that need a restart. */
function refused(application: object, name?: string): string[] {
  return restartNeeded({ config: configOf({}), name: NAME }, configOf(application, name));
}

test('a fixed option can be written with the value that it already has, and omitted again', () => {
  const { runtimeDirectory, dataDirectory } = instanceNamed(NAME, configOf({}));
  const written = configOf(
    {
      runtime_directory: runtimeDirectory,
      data_directory: dataDirectory,
      control: { path: `${runtimeDirectory}/control.sock`, mode: '0600' },
    },
    NAME,
  );
  assert.deepEqual(restartNeeded({ config: configOf({}), name: NAME }, written), []);
  assert.deepEqual(restartNeeded({ config: configOf({}, NAME), name: NAME }, written), []);
  const omitted = configOf({}, NAME);
  assert.deepEqual(restartNeeded({ config: written, name: NAME }, omitted), []);
});

test('every other value of a fixed option needs a restart, and both values are shown', () => {
  const { runtimeDirectory, dataDirectory } = instanceNamed(NAME, configOf({}));
  const needed = (key: string, from: string, to: string) =>
    `${key}: cannot change from ${from} to ${to} while zero runs: it needs a restart`;
  assert.deepEqual(refused({}, 'another'), [needed('service.runtime.name', 'its default', 'another')]);
  assert.deepEqual(refused({ runtime_directory: '/srv/run' }), [
    needed('application.runtime_directory', runtimeDirectory, '/srv/run'),
  ]);
  assert.deepEqual(refused({ data_directory: '/srv/data' }), [
    needed('application.data_directory', dataDirectory, '/srv/data'),
  ]);
  assert.deepEqual(refused({ control: { path: '/srv/zero.sock' } }), [
    needed('application.control.path', `${runtimeDirectory}/control.sock`, '/srv/zero.sock'),
  ]);
  assert.deepEqual(refused({ control: { group: 'adm' } }), [
    needed('application.control.mode', '0600', '0660'),
    needed('application.control.group', 'none', 'adm'),
  ]);
});
