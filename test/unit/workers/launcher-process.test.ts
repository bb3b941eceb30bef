import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { lookupUser } from '../../../src/linux/users.ts';
import { type Tools, tools } from '../../../src/workers/commands.ts';
import { type LaunchRequest, launchChain } from '../../../src/workers/launcher.ts';
import { launcherFailure } from '../../../src/workers/launcher-exit.ts';
import { entries, environmentOf, folder, run, shells } from './support.ts';

const root = process.getuid?.() === 0 ? false : 'changing the user needs root';
const bytes = String.fromCharCode(...Array.from({ length: 255 }, (_, index) => index + 1));

// Everything that a shell is known to add, drop, change or obey, and bytes of every value.
const variables = {
  ORDINARY: 'x',
  EMPTY: '',
  NEWLINES: '\na\n\nb\n',
  BYTES: bytes,
  QUOTES: `'"\`$(id)\\`,
  'dotted.name': bytes,
  '-u': 'an option',
  'a b\n$c': 'blanks',
  'BASH_FUNC_f%%': '() { echo injected; }',
  '\xff\xfe': 'a name that is no UTF-8',
  PWD: '/nowhere',
  OLDPWD: '/nowhere',
  SHLVL: '7',
  _: 'underscore',
  IFS: 'x',
  OPTIND: 'no number',
  PPID: '1',
  LC_ALL: 'xx_XX',
  SHELLOPTS: 'xtrace',
  BASH_ENV: '/dev/stderr',
  ENV: '/dev/stderr',
  POSIXLY_CORRECT: '',
  RANDOM: '4',
  UID: '12',
  LD_PRELOAD: '',
  ZERO_CARRIED_0: 'mine',
  PS1: '$ ',
  TERM: 'dumb',
};

const plain: LaunchRequest = {
  executable: '/bin/cat',
  args: ['/proc/self/environ'],
  environment: environmentOf({}),
  user: null,
  limits: {},
  umask: undefined,
  listenPid: true,
};

const nobody = lookupUser('nobody');
assert.ok(nobody);
chmodSync(folder, 0o755);

// A path that env(1) would take for a variable.
const odd = join(folder, 'a=b', 'with blanks and = $signs');
mkdirSync(odd, { recursive: true });
copyFileSync('/bin/cat', join(odd, 'c=at'));

for (const shell of shells) {
  describe(`with ${shell.name} as /bin/sh`, () => {
    const withShell: Tools = {
      find: (name) => (name === 'sh' ? shell.path : tools.find(name)),
      isDash: () => shell.name === 'dash',
    };
    const start = (changes: Partial<LaunchRequest>) => {
      const { path, argv, environment } = launchChain({ ...plain, ...changes }, withShell);
      return run({ path, argv, environment, directory: '/' });
    };

    test('the environment arrives byte for byte, with LISTEN_PID', async () => {
      const { stdout, stderr, pid } = await start({ environment: environmentOf(variables) });
      const expected = Object.entries({ ...variables, LISTEN_PID: String(pid) }).map(
        ([name, value]) => `${name}=${value}`,
      );
      assert.equal(stderr, '');
      assert.deepEqual(entries(stdout).sort(), expected.sort());
    });

    test('an empty environment arrives empty', async () => {
      const { stdout, pid } = await start({});
      assert.deepEqual(entries(stdout), [`LISTEN_PID=${pid}`]);
      const without = await start({ listenPid: false, umask: 0 });
      assert.equal(without.stdout.length, 0);
    });

    test('arguments and argv[0] are exact, also of a path with an equal sign', async () => {
      for (const executable of ['/bin/cat', join(odd, 'c=at')]) {
        const args = ['/proc/self/cmdline', '--', '/dev/null'];
        const { stdout, stderr } = await start({
          executable,
          args,
          environment: environmentOf({ 'a.b': '1' }),
        });
        assert.equal(stderr, '');
        assert.deepEqual(entries(stdout), [executable, ...args]);
      }
    });

    test('the service has the umask', async () => {
      const { stdout } = await start({
        executable: '/bin/grep',
        args: ['^Umask', '/proc/self/status'],
        umask: 0o137,
      });
      assert.equal(stdout.toString(), 'Umask:\t0137\n');
    });

    test('user, groups, limits and a true LISTEN_PID together', { skip: root }, async () => {
      const { stdout, stderr, pid } = await start({
        executable: '/bin/cat',
        args: ['/proc/self/environ', '/proc/self/status', '/proc/self/limits'],
        environment: environmentOf({ 'a.b': '1', LD_LIBRARY_PATH: '/nowhere' }),
        user: { uid: nobody.uid, gid: 12, groups: [12, 65534], switches: true },
        limits: { nofile: { soft: 100, hard: 200 }, data: { soft: 1e9, hard: 'unlimited' } },
        umask: 0o27,
      });
      assert.equal(stderr, '');
      const text = stdout.toString('latin1');
      assert.match(text, new RegExp(`LISTEN_PID=${pid}\\0`));
      assert.match(text, new RegExp(`^Uid:(\\t${nobody.uid}){4}$`, 'm'));
      assert.match(text, /^Gid:(\t12){4}$/m);
      assert.match(text, /^Groups:\t12 65534 ?$/m);
      assert.match(text, /^CapEff:\t0+$/m);
      assert.match(text, /^Umask:\t0027$/m);
      assert.match(text, /^Max open files +100 +200 /m);
      assert.match(text, /^Max data size +1000000000 +unlimited /m);
    });

    test('what cannot be executed is the complaint of the launcher', async () => {
      const { status, stderr } = await start({ executable: '/no/such/program' });
      assert.deepEqual(status, { kind: 'exited', code: 127 });
      assert.match(
        stderr,
        /(?:env: .*|^sh: 1: exec: )\/no\/such\/program.*: (?:No such file or directory|not found)\n$/,
      );
      assert.match(launcherFailure(status, [stderr.trimEnd()]) ?? '', /\/no\/such\/program/);
    });
  });
}

test('without a shell nothing is added either', { skip: root }, async () => {
  const { path, argv, environment } = launchChain(
    { ...plain, listenPid: false, user: { uid: 1, gid: 1, groups: [], switches: true } },
    tools,
  );
  const { stdout } = await run({ path, argv, environment });
  assert.equal(stdout.length, 0);
});

test('this machine has a shell that can be tested', () => {
  assert.ok(shells.length > 0, readFileSync('/etc/os-release', 'utf8'));
});
