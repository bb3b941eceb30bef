import assert from 'node:assert/strict';
import test from 'node:test';
import { configFromArguments, formatProblem } from '../../../src/config/index.ts';

const find = (command: string) => (command === 'node' ? '/usr/bin/node' : null);

function problems(...given: Parameters<typeof configFromArguments>): string[] {
  const result = configFromArguments(...given);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

test('arguments contain a command and its addresses', () => {
  const result = configFromArguments(
    { listen: ['8080', 'unix:/x'], command: ['node', 'server.js', '--', '0660'] },
    find,
  );
  assert.ok('config' in result);
  const { listeners, runtime } = result.config.service;
  assert.deepEqual(
    listeners.map(({ name, address, socket_fd }) => [name, address.text, socket_fd]),
    [
      ['listener1', 'tcp::8080', 3],
      ['listener2', 'unix:/x', 4],
    ],
  );
  assert.equal(runtime.name, undefined);
  assert.equal(runtime.path, '/usr/bin/node');
  assert.deepEqual(runtime.args, ['server.js', '--', '0660']);
  assert.equal(runtime.inherit_environment, true);
});

test('variables are added to the inherited environment', () => {
  const environment = [{ key: 'A', value: '1' }];
  const result = configFromArguments({ listen: [], command: ['node'], environment }, find);
  assert.ok('config' in result);
  const { runtime } = result.config.service;
  assert.deepEqual([runtime.environment, runtime.inherit_environment], [environment, true]);
});

test('a command with a slash is not looked up', () => {
  const result = configFromArguments({ listen: [], name: 'web', command: ['./my app'] }, () => null);
  assert.ok('config' in result);
  assert.equal(result.config.service.runtime.path, './my app');
  assert.equal(result.config.service.runtime.name, 'web');
});

test('arguments set the number of workers', () => {
  const given = { listen: ['80'], command: ['node'] };
  const result = configFromArguments({ ...given, workers: 'auto' }, find);
  assert.ok('config' in result);
  assert.equal(result.config.service.runtime.workers, 'auto');
  assert.deepEqual(problems({ ...given, workers: 'x' }, find), [
    '--workers x: must be a whole number or auto, not "x"',
  ]);
});

test('a problem is located by its argument', () => {
  assert.deepEqual(
    problems({ listen: ['99999', ':80', 'x'], name: 'a/b', command: ['node', 's3cret'] }, find),
    [
      '--name a/b: "a/b" cannot be the name of a directory: use letters, digits and . _ - + @ : and begin with a letter or digit',
      '--listen 99999: ":99999" has the port 99999: the largest is 65535',
      '--listen x: "x" has no port: write "x:8080"',
    ].sort((one, other) => Number(other.startsWith('--listen')) - Number(one.startsWith('--listen'))),
  );
  assert.deepEqual(problems({ listen: [], command: ['nope'] }, find), ['-- nope: was not found in PATH']);
  assert.deepEqual(problems({ listen: [], command: [] }, find), [
    'zero run: has no command: write it after "--", as in -- node server.js',
  ]);
});
