import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tools } from '../../../../src/workers/spawning/commands.ts';
import { type LaunchRequest, launchChain } from '../../../../src/workers/spawning/launcher.ts';
import { environmentOf } from '../support.ts';

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
const tools: Tools = {
  find: (name) => `/usr/bin/${name}`,
  findShell: () => '/usr/bin/sh',
  isDash: () => false,
  ownLauncher: () => ['/usr/bin/node', '/lib/zero/node-launcher.cjs'],
};
const withDash: Tools = { ...tools, isDash: () => true };

test('the service is executed directly if nothing is configured', () => {
  const { path, argv, environment } = launchChain(request, tools);
  assert.equal(path, '/srv/app');
  assert.deepEqual(argv, ['/srv/app', '--x', 'a b']);
  assert.deepEqual(environment.map(String), ['PASSWORD=secret', 'PATH=/bin']);
});

test('limits and user are set before the shell', () => {
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
    'umask 0022; LISTEN_PID=$$ exec /usr/bin/env -u PWD -u OLDPWD -u SHLVL -u _ -- "$@"',
    'sh',
    '/srv/app',
    '--x',
    'a b',
  ]);
});

test('dash executes the service itself', () => {
  const { argv } = launchChain({ ...request, umask: 0o22, listenPid: true }, withDash);
  const script = 'umask 0022; unset PWD OLDPWD; LISTEN_PID=$$ exec "$@"';
  assert.deepEqual(argv, ['/usr/bin/sh', '-c', script, 'sh', '/srv/app', '--x', 'a b']);
});

test('a user may have no groups, and may be the current one', () => {
  assert.ok(launchChain({ ...request, user: { ...www, groups: [] } }, tools).argv.includes('--clear-groups'));
  assert.deepEqual(launchChain({ ...request, user: { ...www, switches: false } }, tools).argv[0], '/srv/app');
});

test('capabilities and no_new_privs are set with the user, or without one', () => {
  const capabilities = [
    { name: 'CAP_NET_BIND_SERVICE', number: 10 },
    { name: 'CAP_SYS_NICE', number: 23 },
  ];
  const setpriv = (changes: Partial<LaunchRequest>) => launchChain({ ...request, ...changes }, tools).argv;
  assert.deepEqual(setpriv({ user: www, privileges: { no_new_privs: true, capabilities } }), [
    '/usr/bin/setpriv',
    '--reuid=33',
    '--regid=34',
    '--groups=34,50',
    '--no-new-privs',
    '--inh-caps=-all,+net_bind_service,+sys_nice',
    '--ambient-caps=-all,+net_bind_service,+sys_nice',
    '--',
    '/srv/app',
    '--x',
    'a b',
  ]);
  const { argv } = launchChain({ ...request, privileges: { no_new_privs: true, capabilities: [] } }, tools);
  assert.deepEqual(argv.slice(0, 4), ['/usr/bin/setpriv', '--no-new-privs', '--', '/srv/app']);
  const none = { no_new_privs: false, capabilities: [] };
  assert.deepEqual(setpriv({ privileges: none }), setpriv({}));
  assert.deepEqual(setpriv({ user: www, privileges: none }), setpriv({ user: www }));
});

test('variables that dash changes, or that control the dynamic linker of root programs, get another name in between', () => {
  const environment = environmentOf({ A: '1', PWD: '/p', LD_PRELOAD: '/x.so', LC_ALL: 'C' });
  const { argv, environment: carried } = launchChain({ ...request, environment, user: www }, withDash);
  assert.deepEqual(argv.slice(5, 9), [
    '/usr/bin/sh',
    '-c',
    'unset PWD OLDPWD; export LD_PRELOAD="$ZERO_CARRIED_0"; export PWD="$ZERO_CARRIED_1"; ' +
      'unset ZERO_CARRIED_0 ZERO_CARRIED_1; exec "$@"',
    'sh',
  ]);
  assert.deepEqual(carried.map(String), ['A=1', 'ZERO_CARRIED_1=/p', 'ZERO_CARRIED_0=/x.so', 'LC_ALL=C']);
});

test("zero's own launcher is used if a shell would lose or change something", () => {
  const cases: readonly [Tools, string, Record<string, string>][] = [
    [withDash, '/srv/app', { 'a.b': '1' }],
    [withDash, '/srv/app', { OPTIND: '1' }],
    [withDash, '/srv/app', { ZERO_CARRIED_0: '1' }],
    [tools, '/srv/app', { 'a.b': '1' }],
    [tools, '/srv/app', { LC_ALL: 'C' }],
    [tools, '/srv/app', { LD_LIBRARY_PATH: '/x' }],
    [tools, '/srv/a=b', {}],
  ];
  for (const [machine, executable, variables] of cases) {
    const wanted = { ...request, executable, environment: environmentOf(variables), user: www, umask: 0o22 };
    const { argv, environment, order } = launchChain({ ...wanted, listenPid: true }, machine);
    assert.deepEqual(argv, ['/usr/bin/node', '/lib/zero/node-launcher.cjs']);
    assert.deepEqual(environment, []);
    assert.deepEqual(order, {
      executable,
      argv: [executable, '--x', 'a b'],
      environment: Object.entries(variables).map(([name, value]) => Buffer.from(`${name}=${value}`)),
      listenPid: true,
      user: { uid: 33, gid: 34, groups: [34, 50] },
      limits: {},
      umask: 0o22,
    });
  }
});

test('no value is ever an argument, and none reaches a root program under its own name', () => {
  const names = ['A', 'PATH', 'a.b', 'spring.datasource.password', 'PWD', 'OPTIND', 'IFS', '_', 'LC_ALL'];
  const loader = ['LD_PRELOAD', 'LD_LIBRARY_PATH', 'MALLOC_ARENA_MAX'];
  const environments = [...names, ...loader].flatMap((name, at, all) => [[name], all.slice(at)]);
  let checked = 0;
  for (const machine of [tools, withDash])
    for (const list of environments)
      for (const user of [null, www])
        for (const limits of [{}, { nofile: { soft: 10, hard: 20 } }])
          for (const umask of [undefined, 0o22])
            for (const listenPid of [false, true])
              for (const executable of ['/srv/app', '/srv/a=b']) {
                const environment = environmentOf(
                  Object.fromEntries(list.map((name) => [name, 'secret\nsecret'])),
                );
                const launch = launchChain(
                  { ...request, executable, environment, user, limits, umask, listenPid },
                  machine,
                );
                assert.doesNotMatch(launch.argv.join('\0'), /secret/);
                const first = launch.argv[0] ?? '';
                const asRoot = first.endsWith('/prlimit') || first.endsWith('/setpriv');
                const seen = launch.environment.map((entry) => entry.toString().split('=')[0] ?? '');
                if (asRoot)
                  assert.deepEqual(
                    seen.filter((name) => loader.includes(name)),
                    [],
                  );
                checked += 1;
              }
  assert.equal(checked, 1536);
});

test('a LISTEN_PID of the config is kept', () => {
  const environment = environmentOf({ LISTEN_PID: '1' });
  assert.doesNotMatch(
    launchChain({ ...request, environment, listenPid: true }, tools).argv.join(' '),
    /LISTEN_PID=\$\$/,
  );
});

test('tools with special characters in their paths are quoted', () => {
  const odd: Tools = { ...tools, find: (name) => `/my "tools'/${name}`, findShell: () => `/my "tools'/sh` };
  const { argv } = launchChain({ ...request, umask: 0 }, odd);
  assert.match(argv[2] ?? '', /exec '\/my "tools'\\''\/env' -u/);
});

test('a missing tool ends the start', () => {
  const missing: Tools = {
    ...tools,
    find: (name) => {
      throw new Error(`no ${name}`);
    },
  };
  assert.throws(() => launchChain({ ...request, user: www }, missing), /no setpriv/);
});
