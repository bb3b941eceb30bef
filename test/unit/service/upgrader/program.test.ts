import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { argumentsAsGiven, type Origin, resolveProgram } from '../../../../src/service/upgrader/program.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

/** A directory with `bin/app`, which is executable, and `data`, which is not. */
function place(t: TestContext): { folder: string; origin: Origin; PATH: string } {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'bin'));
  for (const name of ['bin/app', 'data']) writeFileSync(join(folder, name), '');
  chmodSync(join(folder, 'bin', 'app'), 0o755);
  const origin = { argv0: 'app', execPath: process.execPath, args: ['a', 'b'], directory: folder };
  return { folder, origin, PATH: join(folder, 'bin') };
}

test('a name is looked up on PATH and a path in the directory, each time again', (t) => {
  const { folder, origin, PATH } = place(t);
  const app = join(folder, 'bin', 'app');
  const file = (argv0: string, path = PATH): string =>
    resolveProgram({ ...origin, argv0 }, { environment: { PATH: path } }).file;
  assert.equal(file('app'), app);
  assert.equal(file('app', `/nowhere:${PATH}`), app);
  assert.equal(file('app', 'bin'), app);
  assert.equal(file('bin/app'), app);
  assert.equal(file(app), app);
  // A process may have a name that is not a program.
  assert.equal(file('no-such-program'), process.execPath);
  assert.equal(file('data', folder), process.execPath);
});

test('a requested program is not replaced by another one', (t) => {
  const { folder, origin } = place(t);
  for (const executable of ['no-such-program', 'data', './data', folder])
    assert.throws(
      () => resolveProgram(origin, { executable }),
      /^Error: executable .*: it does not exist, or may not/,
    );
  assert.throws(
    () => resolveProgram(origin, { directory: 'none' }),
    /^Error: directory .*\/none: it does not exist/,
  );
  assert.throws(
    () => resolveProgram({ ...origin, argv0: 'x', execPath: '/none' }, {}),
    /executable \/none: it does not exist/,
  );
});

test('arguments, environment and directory are those of the start unless others are given', (t) => {
  const { folder, origin } = place(t);
  assert.deepEqual(resolveProgram(origin, { executable: process.execPath }), {
    file: process.execPath,
    argv0: process.execPath,
    args: ['a', 'b'],
    environment: process.env,
    directory: folder,
  });
  const given = resolveProgram(origin, {
    executable: './app',
    args: [],
    environment: { A: '1' },
    directory: 'bin',
  });
  assert.deepEqual(given, {
    file: join(folder, 'bin', 'app'),
    argv0: './app',
    args: [],
    environment: { A: '1' },
    directory: join(folder, 'bin'),
  });
});

test('the script is that of the command line, else relative to the directory', () => {
  const self = {
    argv0: 'node',
    execArgv: ['--title=x'],
    argv: ['/usr/bin/node', '/srv/one/app.js', 'a', ''],
  };
  const given = (commandLine: string[] | null, directory = '/srv/one') =>
    argumentsAsGiven(self, directory, commandLine);
  assert.deepEqual(given(['node', '--title=x', 'app.js', 'a', '']), ['--title=x', 'app.js', 'a', '']);
  // process.title overwrites the command line (uv_set_process_title).
  for (const commandLine of [
    null,
    ['x', '', '', ''],
    ['node', '', '', '', ''],
    ['node', '--title=x', 'app.js', 'b'],
  ])
    assert.deepEqual(given(commandLine), ['--title=x', './app.js', 'a', '']);
  assert.deepEqual(given(null, '/srv'), ['--title=x', './one/app.js', 'a', '']);
  assert.deepEqual(given(null, '/srv/two'), ['--title=x', '/srv/one/app.js', 'a', '']);
  assert.deepEqual(argumentsAsGiven({ ...self, argv: ['node'] }, '/', null), ['--title=x']);
});
