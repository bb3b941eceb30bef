import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tools } from '../../../src/workers/commands.ts';
import { type LaunchRequest, launchChain } from '../../../src/workers/launcher.ts';
import { environmentOf } from './support.ts';

const request: LaunchRequest = {
  executable: '/srv/app',
  args: ['--x', 'a b'],
  environment: environmentOf({ PASSWORD: 'secret', PATH: '/bin' }),
  user: null,
  limits: {},
  umask: undefined,
  listenPid: false,
};
const www = { uid: 33, gid: 34, groups: [34, 50], switches: true };
const tools: Tools = { find: (name) => `/usr/bin/${name}`, isDash: () => false };
const withDash: Tools = { ...tools, isDash: () => true };

test('where nothing is wanted the service is executed itself', () => {
  const { path, argv, environment } = launchChain(request, tools);
  assert.equal(path, '/srv/app');
  assert.deepEqual(argv, ['/srv/app', '--x', 'a b']);
  assert.deepEqual(environment.map(String), ['PASSWORD=secret', 'PATH=/bin']);
});

test('limits and user come before the shell', () => {
  const { argv } = launchChain(
    {
      ...request,
      user: www,
      limits: { nofile: { soft: 10, hard: 'unlimited' }, core: { soft: 0, hard: 0 } },
      umask: 0o22,
      listenPid: true,
    },
    tools,
  );
  assert.deepEqual(argv, [
    '/usr/bin/prlimit',
    '--nofile=10:unlimited',
    '--core=0:0',
    '--',
    '/usr/bin/setpriv',
    '--reuid=33',
    '--regid=34',
    '--groups=34,50',
    '--',
    '/usr/bin/sh',
    '-c',
    'umask 0022; exec /usr/bin/env -u PWD -u OLDPWD -u SHLVL -u _ -- LISTEN_PID=$$ "$@"',
    'sh',
    '/srv/app',
    '--x',
    'a b',
  ]);
});

test('dash executes the service itself, where nothing travels under another name', () => {
  const { argv } = launchChain({ ...request, umask: 0o22, listenPid: true }, withDash);
  const script = 'umask 0022; unset PWD OLDPWD; LISTEN_PID=$$ exec "$@"';
  assert.deepEqual(argv, ['/usr/bin/sh', '-c', script, 'sh', '/srv/app', '--x', 'a b']);
  const environment = environmentOf({ 'a.b': '1' });
  const carrying = launchChain({ ...request, environment, umask: 0o22 }, withDash);
  assert.match(carrying.argv[2] ?? '', /exec \/usr\/bin\/env -u/);
});

test('a user without groups, and one that zero already is', () => {
  assert.ok(launchChain({ ...request, user: { ...www, groups: [] } }, tools).argv.includes('--clear-groups'));
  assert.deepEqual(launchChain({ ...request, user: { ...www, switches: false } }, tools).argv[0], '/srv/app');
});

test('what shells and the dynamic linker act upon travels under another name', () => {
  const environment = environmentOf({ A: 'secret', 'a.b': '1', LD_PRELOAD: '/x.so', LC_ALL: 'C' });
  const { argv, environment: carried } = launchChain({ ...request, environment, user: www }, tools);
  assert.match(
    argv.join(' '),
    /-u ZERO_CARRIED_2 -- "\$ZERO_CARRIED_0" "\$ZERO_CARRIED_1" "\$ZERO_CARRIED_2" "\$@"/,
  );
  assert.deepEqual(carried.map(String), [
    'A=secret',
    'ZERO_CARRIED_0=a.b=1',
    'ZERO_CARRIED_1=LD_PRELOAD=/x.so',
    'ZERO_CARRIED_2=LC_ALL=C',
  ]);
});

test('no value is ever an argument', () => {
  const environment = environmentOf({ A: 'secret', 'a.b': 'secret', PWD: 'secret' });
  const everything = { ...request, environment, user: www, umask: 0, listenPid: true };
  assert.doesNotMatch(launchChain(everything, tools).argv.join(' '), /secret/);
});

test('a LISTEN_PID of the config stays', () => {
  const environment = environmentOf({ LISTEN_PID: '1' });
  assert.doesNotMatch(
    launchChain({ ...request, environment, listenPid: true }, tools).argv.join(' '),
    /LISTEN_PID=\$\$/,
  );
});

test('tools with odd paths are quoted', () => {
  const odd: Tools = { ...tools, find: (name) => `/my "tools'/${name}` };
  const { argv } = launchChain({ ...request, umask: 0 }, odd);
  assert.match(argv[2] ?? '', /exec '\/my "tools'\\''\/env' -u/);
});

test('a missing tool ends it', () => {
  const missing: Tools = {
    ...tools,
    find: (name) => {
      throw new Error(`no ${name}`);
    },
  };
  assert.throws(() => launchChain({ ...request, user: www }, missing), /no setpriv/);
});
