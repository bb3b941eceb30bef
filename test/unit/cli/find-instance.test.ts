import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError } from '../../../src/cli/command-error.ts';
import { findInstance, type InstanceOptions } from '../../../src/cli/find-instance.ts';
import { type Scope, temporaryFolder } from '../../support/temporary.ts';
import { type Desk, desk } from './fixture.ts';

async function refused({ context }: Desk, options: InstanceOptions, guess = true): Promise<string> {
  const error = await findInstance(options, guess, context.surroundings).then(
    (path) => path,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CommandError, String(error));
  return `${error.exitCode} ${error.message}`;
}

function configFile(scope: Scope, application: string): string {
  const file = join(temporaryFolder(scope), 'zero.yaml');
  writeFileSync(
    file,
    `application: ${application}
service:
  listeners: [{ name: http, address: "127.0.0.1:0" }]
  runtime: { name: example, directory: /, path: /bin/true }
`,
  );
  return file;
}

test('by name: its control socket, whether it runs or not', async (t) => {
  const at = desk(t);
  assert.equal(
    await findInstance({ name: 'a' }, false, at.context.surroundings),
    join(at.root, 'a', 'control.sock'),
  );
  const other = temporaryFolder(t);
  mkdirSync(join(other, 'b'));
  const roots = [at.root, other];
  assert.equal(
    await findInstance({ name: 'b' }, true, { environment: {}, roots }),
    join(other, 'b', 'control.sock'),
  );
  assert.match(await refused(at, { name: '../b' }), /^2 --name ".*cannot name a directory/);
});

test('by config: the runtime directory, or the path that is given', async (t) => {
  const { context } = desk(t);
  const config = configFile(t, '{ runtime_directory: /run/somewhere }');
  assert.equal(await findInstance({ config }, false, context.surroundings), '/run/somewhere/control.sock');
  const own = configFile(t, '{ control: { path: /run/own.sock } }');
  assert.equal(await findInstance({ config: own }, false, context.surroundings), '/run/own.sock');
});

test('by $ZERO_CONFIG, which an option goes before', async (t) => {
  const ZERO_CONFIG = configFile(t, '{ runtime_directory: /run/somewhere }');
  const { context, root } = desk(t, { environment: { ZERO_CONFIG } });
  assert.equal(await findInstance({}, false, context.surroundings), '/run/somewhere/control.sock');
  assert.equal(
    await findInstance({ name: 'a' }, false, context.surroundings),
    join(root, 'a', 'control.sock'),
  );
});

test('a config that is wrong is said to be, with the way around it', async (t) => {
  const at = desk(t);
  const message = await refused(at, { config: configFile(t, '{ nonsense: 1 }') });
  assert.match(message, /^1 .*zero\.yaml:1:\d+: .*nonsense/);
  assert.match(message, /name it with --name$/);
});

test('both at once is refused', async (t) => {
  assert.match(await refused(desk(t), { config: 'a', name: 'b' }), /^2 --config and --name/);
});

test('the only one that runs; others of old do not count', async (t) => {
  const at = desk(t);
  assert.match(await refused(at, {}), /^3 no zero runs: looked into /);
  const { path, server } = await at.run('example');
  mkdirSync(join(at.root, 'old'));
  assert.equal(await findInstance({}, true, at.context.surroundings), path);
  const second = await at.run('another');
  assert.match(
    await refused(at, {}),
    /^2 several instances run: another, example: say which with --name NAME/,
  );
  await server.close();
  assert.equal(await findInstance({}, true, at.context.surroundings), second.path);
});

test('a command that wants it said does not guess', async (t) => {
  const at = desk(t);
  await at.run('example');
  assert.match(
    await refused(at, {}, false),
    /^2 say which instance: --name NAME, --config FILE or \$ZERO_CONFIG/,
  );
});

test('folders that are not there are nobody', async (t) => {
  const at = desk(t);
  rmSync(at.root, { recursive: true });
  assert.match(await refused(at, {}), /^3 /);
});
