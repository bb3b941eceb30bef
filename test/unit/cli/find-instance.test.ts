import assert from 'node:assert/strict';
import { chownSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { CommandError } from '../../../src/cli/exit-code.ts';
import { findInstance, type InstanceOptions, notRunning } from '../../../src/cli/find-instance.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { type Scope, temporaryFolder } from '../../support/temporary.ts';
import { type CliFixture, cliFixture } from './fixture.ts';

async function refused({ context }: CliFixture, options: InstanceOptions, guess = true): Promise<string> {
  const error = await findInstance(options, guess, context.surroundings).then(
    (instance) => JSON.stringify(instance),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CommandError, String(error));
  return `${error.exitCode} ${error.message}`;
}

async function found({ context }: CliFixture, options: InstanceOptions, guess = true): Promise<string> {
  return (await findInstance(options, guess, context.surroundings)).name;
}

function configFile(
  scope: Scope,
  application = '{}',
  file = join(temporaryFolder(scope), 'zero.yaml'),
): string {
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

/** Writes the same record as a supervisor that was started from this file. */
function record(directory: string, name: string, file: string | null, more: object = {}): void {
  const loaded = file === null ? null : loadConfig(file);
  assert.ok(loaded === null || 'config' in loaded);
  mkdirSync(directory, { recursive: true });
  const document = {
    version: 1,
    name,
    pid: 4242,
    config_file: file && { path: file, ...loaded?.identity },
    control_socket: join(directory, 'control.sock'),
    ...more,
  };
  writeFileSync(join(directory, 'instance.json'), JSON.stringify(document));
}

/** Two instances, a and b, each with its own config file. */
function two(t: TestContext): { at: CliFixture; a: string; b: string } {
  const at = cliFixture(t);
  const [a, b] = [configFile(t), configFile(t)];
  record(join(at.root, 'a'), 'a', a);
  record(join(at.root, 'b'), 'b', b);
  return { at, a, b };
}

describe('--config finds', () => {
  it('the instance that was started with that path', async (t) => {
    const { at, a, b } = two(t);
    assert.deepEqual([await found(at, { config: a }), await found(at, { config: b })], ['a', 'b']);
  });

  it('the instance by a symlink, a hard link and a relative path of the same file', async (t) => {
    const { at, a } = two(t);
    const folder = temporaryFolder(t);
    symlinkSync(a, join(folder, 'symlink'));
    linkSync(a, join(folder, 'hard'));
    for (const config of [join(folder, 'symlink'), join(folder, 'hard')])
      assert.equal(await found(at, { config }), 'a', config);
    const { surroundings } = at.context;
    assert.ok(surroundings);
    const there = { ...surroundings, folders: [join(a, '..', 'x')] };
    assert.equal((await findInstance({ config: '../zero.yaml' }, true, there)).name, 'a');
  });

  it('the instance whose file was replaced and has another inode', async (t) => {
    const { at, a } = two(t);
    configFile(t, '{}', `${a}.new`);
    renameSync(`${a}.new`, a);
    assert.equal(await found(at, { config: a }), 'a');
  });

  it('the instance whose file was moved, by its new and its old path', async (t) => {
    const { at, a } = two(t);
    renameSync(a, `${a}.moved`);
    assert.deepEqual([await found(at, { config: `${a}.moved` }), await found(at, { config: a })], ['a', 'a']);
  });

  it('no instance of a file whose inode was reused by another file', async (t) => {
    const { at, a } = two(t);
    const other = configFile(t);
    const loaded = loadConfig(other);
    assert.ok('config' in loaded && loaded.identity);
    // Recorded before the file was removed, and its inode was reused by a new file.
    const config_file = { path: a, ...loaded.identity, birth_ns: '1' };
    rmSync(a);
    record(join(at.root, 'a'), 'a', null, { config_file });
    assert.match(
      await refused(at, { config: other }),
      /^3 no instance that was started from .* is running\./,
    );
  });

  it('no other instance with the same name in its config', async (t) => {
    const { at } = two(t);
    const other = configFile(t, '{}');
    assert.match(
      await refused(at, { config: other }),
      new RegExp(`^3 no instance that was started from ${other} is running\\. Looked in ${at.root}\\. `),
    );
    const missing = join(temporaryFolder(t), 'no.yaml');
    assert.match(await refused(at, { config: missing }), /no\.yaml \(no such file\) is running/);
  });

  it('an instance by the runtime directory in the file', async (t) => {
    const at = cliFixture(t);
    const runtime = join(temporaryFolder(t), 'run');
    const config = configFile(t, `{ runtime_directory: ${runtime} }`);
    assert.match(await refused(at, { config }), /^3 /);
    record(runtime, 'example', config);
    assert.equal(await found(at, { config }), 'example');
    // A copy in the same directory is another file.
    const copy = configFile(t, `{ runtime_directory: ${runtime} }`);
    assert.match(await refused(at, { config: copy }), /^3 /);
  });

  it('an instance whose supervisor recorded only the path, in its state', async (t) => {
    const at = cliFixture(t);
    const [config, other] = [configFile(t), configFile(t)];
    mkdirSync(join(at.root, 'node'));
    const state = { version: 2, instance: 'node', config_file: config, supervisor: { pid: 7 } };
    writeFileSync(join(at.root, 'node', 'state.json'), JSON.stringify(state));
    assert.equal(await found(at, { config }), 'node');
    assert.match(await refused(at, { config: other }), /^3 /);
  });

  it('an instance whose file is invalid now', async (t) => {
    const { at, a } = two(t);
    writeFileSync(a, 'nonsense: 1\n');
    assert.equal(await found(at, { config: a }), 'a');
  });

  it('the running one of two instances with the same file, and none if both run', async (t) => {
    const at = cliFixture(t);
    const config = configFile(t);
    record(join(at.root, 'a'), 'a', config);
    record(join(at.root, 'b'), 'b', config);
    assert.match(await refused(at, { config }), /^3 no instance for .*zero\.yaml is running/);
    await at.run('b');
    assert.equal(await found(at, { config }), 'b');
    await at.run('a');
    assert.match(
      await refused(at, { config }),
      /^2 more than one instance for .*zero\.yaml is running: a, b\. Choose one with --name NAME\.$/,
    );
  });
});

describe('--name finds', () => {
  it('the instance with that name, even if it does not respond', async (t) => {
    const { at } = two(t);
    assert.equal(await found(at, { name: 'b' }, false), 'b');
    assert.match(await refused(at, { name: '../b' }), /^2 --name ".*cannot be the name of a directory/);
    assert.match(await refused(at, { name: 'c' }), /^3 no instance with the name c is running\. Looked in /);
  });

  it('an instance by the link to its runtime directory', async (t) => {
    const at = cliFixture(t);
    const runtime = join(temporaryFolder(t), 'run');
    record(runtime, 'elsewhere', null);
    mkdirSync(join(at.root, '.instances'));
    symlinkSync(runtime, join(at.root, '.instances', 'x'));
    assert.equal(await found(at, { name: 'elsewhere' }), 'elsewhere');
  });
});

describe('without an option a command finds', () => {
  it('the instance of $ZERO_CONFIG, unless --name is given', async (t) => {
    const ZERO_CONFIG = configFile(t);
    const at = cliFixture(t, { environment: { ZERO_CONFIG } });
    record(join(at.root, 'a'), 'a', ZERO_CONFIG);
    record(join(at.root, 'b'), 'b', null);
    assert.deepEqual([await found(at, {}, false), await found(at, { name: 'b' }, false)], ['a', 'b']);
  });

  it('only the instance of ./zero.yaml', async (t) => {
    const at = cliFixture(t);
    await at.run('other');
    const config = configFile(t, '{}', join(at.root, 'zero.yaml'));
    assert.match(await refused(at, {}), /^3 no instance that was started from .*zero\.yaml is running/);
    record(join(at.root, 'a'), 'a', config);
    assert.equal(await found(at, {}, false), 'a');
  });

  it('the only running instance', async (t) => {
    const at = cliFixture(t);
    assert.match(await refused(at, {}), /^3 no instance is running\. Looked in /);
    const { server } = await at.run('example');
    mkdirSync(join(at.root, 'old'));
    record(join(at.root, 'killed'), 'killed', null);
    assert.equal(await found(at, {}), 'example');
    await at.run('another');
    assert.match(
      await refused(at, {}),
      /^2 more than one instance is running: another, example\. Choose one with --name NAME\.$/,
    );
    await server.close();
    assert.equal(await found(at, {}), 'another');
  });

  it('no instance if several match', async (t) => {
    const at = cliFixture(t);
    await at.run('example');
    assert.match(
      await refused(at, {}, false),
      /^2 no instance specified\. Use --name NAME, --config FILE or /,
    );
  });

  it('no instance if no runtime directory exists', async (t) => {
    const at = cliFixture(t);
    rmSync(at.root, { recursive: true });
    assert.match(await refused(at, {}), /^3 /);
  });
});

it('--config and --name together are refused', async (t) => {
  assert.match(
    await refused(cliFixture(t), { config: 'a', name: 'b' }),
    /^2 --config and --name both specify/,
  );
});

it('a record is ignored if its user is not the owner of the directory', async (t) => {
  const at = cliFixture(t);
  record(join(at.root, 'a'), 'a', null);
  const { surroundings } = at.context;
  assert.ok(surroundings);
  if (process.geteuid?.() === 0)
    for (const part of ['', 'a', 'a/instance.json']) chownSync(join(at.root, part), 12_344, 0);
  const roots = [{ directory: at.root, uid: 12_345 }];
  await assert.rejects(findInstance({ name: 'a' }, true, { ...surroundings, roots }), CommandError);
});

it('a FIFO, a directory or an invalid file in place of a record does not block a command', async (t) => {
  const at = cliFixture(t);
  for (const name of ['directory', 'text', 'empty']) mkdirSync(join(at.root, name));
  mkdirSync(join(at.root, 'directory', 'instance.json'));
  writeFileSync(join(at.root, 'text', 'instance.json'), 'x');
  writeFileSync(join(at.root, 'empty', 'instance.json'), '');
  assert.match(await refused(at, {}), /^3 no instance is running/);
});

it('an instance that is not running is started from its file', async (t) => {
  const { at, a } = two(t);
  const instance = await findInstance({ config: a }, false, at.context.surroundings);
  const { exitCode, message } = notRunning(instance);
  assert.equal(exitCode, 3);
  assert.equal(
    message,
    `instance a is not running: no zero is listening on ${at.root}/a/control.sock. Start it with: zero --config ${a}`,
  );
});

it('a service that was left behind is continued with its file, or stopped', async (t) => {
  const { at, a } = two(t);
  const instance = await findInstance({ config: a }, false, at.context.surroundings);
  const left = { pid: 7, running: [8, 9] };
  const died = 'instance a is not running: zero (pid 7) has died, and its service still runs (pids 8 9).';
  assert.equal(
    notRunning(instance, left).message,
    `${died} Start it with: zero --config ${a}. Stop the service with: zero stop --name a`,
  );
  assert.equal(
    notRunning({ ...instance, configFile: null }, left).message,
    `${died} Stop the service with: zero stop --name a`,
  );
});
