import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { lookupUser } from '../../../../src/linux/users.ts';
import { type Tools, tools } from '../../../../src/workers/spawning/commands.ts';
import { type LaunchRequest, launchChain } from '../../../../src/workers/spawning/launcher.ts';
import { launcherFailure } from '../../../../src/workers/spawning/launcher-exit.ts';
import { spawn } from '../../../../src/workers/spawning/spawner.ts';
import { type Ended, ended, entries, environmentOf, folder, outputFile, shells } from '../support.ts';

const root = process.getuid?.() === 0 ? false : 'changing the user needs root';
const bytes = String.fromCharCode(...Array.from({ length: 255 }, (_, index) => index + 1));

// Everything that shells add, drop, change or obey, and bytes of every value.
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

// A path that env(1) would treat as a variable.
const odd = join(folder, 'a=b', 'with blanks and = $signs');
mkdirSync(odd, { recursive: true });
copyFileSync('/bin/cat', join(odd, 'c=at'));

async function start(changes: Partial<LaunchRequest>, machine: Tools): Promise<Ended> {
  const stdout = outputFile();
  const stderr = outputFile();
  const descriptors = new Map([
    [1, stdout.fd],
    [2, stderr.fd],
  ]);
  const pid = spawn(linux, { ...plain, ...changes }, { directory: '/', descriptors }, machine);
  const exit = await ended(pid);
  return { pid, ...exit, stdout: stdout.read(), stderr: stderr.read().toString() };
}

const machineWith = (shell: { readonly name: string; readonly path: string }): Tools => ({
  ...tools,
  findShell: () => shell.path,
  isDash: () => shell.name === 'dash',
});
const needsOwnLauncher = (changes: Partial<LaunchRequest>, machine: Tools): boolean =>
  launchChain({ ...plain, ...changes }, machine).order !== null;

/** Every way to the service, with its variables. */
const ways = [
  ...shells.map((shell) => {
    const machine = machineWith(shell);
    const passing = Object.entries(variables).filter(
      ([name, value]) => !needsOwnLauncher({ environment: environmentOf({ [name]: value }) }, machine),
    );
    return { name: `${shell.name} as /bin/sh`, machine, variables: Object.fromEntries(passing), own: false };
  }),
  { name: "zero's own launcher", machine: tools, variables: variables as Record<string, string>, own: true },
];

for (const { name, machine, variables, own } of ways) {
  describe(`with ${name}`, () => {
    const marker = own ? { 'a.b': '1' } : {};
    const through = (changes: Partial<LaunchRequest>): Promise<Ended> => {
      const environment = environmentOf(marker);
      assert.equal(needsOwnLauncher({ environment, ...changes }, machine), own);
      return start({ environment, ...changes }, machine);
    };

    test('the environment is passed byte for byte, with LISTEN_PID', async () => {
      assert.ok(Object.keys(variables).length > 5);
      const { stdout, stderr, pid } = await through({ environment: environmentOf(variables) });
      const expected = Object.entries({ ...variables, LISTEN_PID: String(pid) }).map(
        ([name, value]) => `${name}=${value}`,
      );
      assert.equal(stderr, '');
      assert.deepEqual(entries(stdout).sort(), expected.sort());
    });

    test('nothing is added to the environment', async () => {
      const only = Object.entries(marker).map(([name, value]) => `${name}=${value}`);
      const { stdout, pid } = await through({});
      assert.deepEqual(entries(stdout), [...only, `LISTEN_PID=${pid}`]);
      const without = await through({ listenPid: false, umask: 0 });
      assert.equal(without.stdout.toString(), only.map((entry) => `${entry}\0`).join(''));
    });

    test('a LISTEN_PID of the config is kept', async () => {
      const { stdout } = await through({ environment: environmentOf({ ...marker, LISTEN_PID: '1' }) });
      assert.ok(entries(stdout).includes('LISTEN_PID=1'));
    });

    test('arguments and argv[0] are exact', async () => {
      const args = ['/proc/self/cmdline', '--', '/dev/null'];
      const { stdout, stderr } = await through({ args });
      assert.equal(stderr, '');
      assert.deepEqual(entries(stdout), ['/bin/cat', ...args]);
    });

    test('the service has the umask', async () => {
      const changes = { executable: '/bin/grep', args: ['^Umask', '/proc/self/status'], umask: 0o137 };
      const { stdout } = await through(changes);
      assert.equal(stdout.toString(), 'Umask:\t0137\n');
    });

    test('the service has its configured descriptors, and no signal is ignored', async () => {
      const script =
        'ls /proc/self/fd; while read -r line; do case $line in Sig[BI]*) echo $line;; esac; done </proc/self/status';
      const { stdout } = await through({ executable: '/bin/sh', args: ['-c', script] });
      // 3 is the directory that ls lists.
      assert.equal(stdout.toString(), '0\n1\n2\n3\nSigBlk: 0000000000000000\nSigIgn: 0000000000000000\n');
    });

    test('user, groups, limits and a correct LISTEN_PID work together', { skip: root }, async () => {
      const { stdout, stderr, pid } = await through({
        args: ['/proc/self/environ', '/proc/self/status', '/proc/self/limits'],
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

    test('the service has exactly the capabilities of the config', { skip: root }, async () => {
      const args = ['-E', '^(Uid|Cap|NoNewPrivs)', '/proc/self/status'];
      const user = { uid: nobody.uid, gid: 12, groups: [], switches: true };
      // One of each block of 32.
      const capabilities = [
        { name: 'CAP_NET_BIND_SERVICE', number: 10 },
        { name: 'CAP_WAKE_ALARM', number: 35 },
      ];
      const status = async (changes: Partial<LaunchRequest>): Promise<Record<string, string>> => {
        const { stdout, stderr } = await through({ executable: '/bin/grep', args, ...changes });
        assert.equal(stderr, '');
        return Object.fromEntries(
          stdout
            .toString()
            .split('\n')
            .map((line) => line.split(':\t', 2)),
        );
      };
      const both = await status({ user, privileges: { no_new_privs: true, capabilities } });
      const mask = '0000000800000400';
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) assert.equal(both[set], mask, set);
      assert.equal(both.NoNewPrivs, '1');
      assert.equal(both.Uid, `${nobody.uid}\t`.repeat(4).trim());
      const before = await status({ user });
      assert.equal(both.CapBnd, before.CapBnd);
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
        assert.match(before[set] ?? '', /^0+$/, set);
      assert.equal(before.NoNewPrivs, '0');
      // Without a user, which is another branch.
      const own = await status({ privileges: { no_new_privs: true, capabilities: [] } });
      assert.deepEqual([own.NoNewPrivs, own.CapAmb], ['1', '0000000000000000']);
    });

    test('limits may be far below those of the launcher', { skip: root }, async () => {
      const { stdout, stderr } = await through({
        args: ['/proc/self/limits'],
        user: { uid: nobody.uid, gid: 12, groups: [], switches: true },
        limits: {
          as: { soft: 16 << 20, hard: 16 << 20 },
          data: { soft: 1 << 20, hard: 1 << 20 },
          nofile: { soft: 4, hard: 4 },
          stack: { soft: 256 << 10, hard: 256 << 10 },
          rss: { soft: 1 << 20, hard: 1 << 20 },
          core: { soft: 0, hard: 0 },
          memlock: { soft: 0, hard: 0 },
          sigpending: { soft: 1, hard: 2 },
        },
      });
      assert.equal(stderr, '');
      const text = stdout.toString();
      assert.match(text, /^Max address space +16777216 +16777216 /m);
      assert.match(text, /^Max pending signals +1 +2 /m);
    });

    test('a program that cannot be executed is reported by the launcher', async () => {
      const { status, stderr } = await through({ executable: '/no/such/program' });
      assert.deepEqual(status, { kind: 'exited', code: 127 });
      const said = launcherFailure(status, [stderr.trimEnd()]) ?? '';
      assert.match(
        said,
        /(?:^env: .*|^sh: 1: exec: |^execve )\/no\/such\/program.*: (?:No such file|not found|ENOENT: )/,
      );
      const folder = await through({ executable: '/etc' });
      assert.deepEqual(folder.status, { kind: 'exited', code: 126 });
      assert.match(
        launcherFailure(folder.status, [folder.stderr.trimEnd()]) ?? '',
        /\/etc.*(?:Permission denied|EACCES: )/,
      );
    });
  });
}

for (const shell of shells) {
  test(`with ${shell.name} as /bin/sh a path with an equal sign is executed`, async () => {
    const executable = join(odd, 'c=at');
    const args = ['/proc/self/cmdline'];
    const { stdout, stderr } = await start({ executable, args }, machineWith(shell));
    assert.equal(stderr, '');
    assert.deepEqual(entries(stdout), [executable, ...args]);
  });
}

test("a failed step of zero's own launcher is reported with its errno", { skip: root }, async () => {
  const environment = environmentOf({ 'a.b': '1' });
  const beyond = { soft: 1, hard: 2 ** 52 };
  const { status, stderr } = await start({ environment, limits: { nofile: beyond } }, tools);
  assert.deepEqual(status, { kind: 'exited', code: 125 });
  assert.match(launcherFailure(status, [stderr.trimEnd()]) ?? '', /^setrlimit nofile: EPERM: /);
});

test("zero's own launcher ignores the Node variables of the service", async () => {
  const preload = join(folder, 'preload.cjs');
  writeFileSync(preload, `require('node:fs').writeSync(2, 'preloaded');`);
  const environment = environmentOf({ 'a.b': '1', NODE_OPTIONS: `--require ${preload}`, LD_DEBUG: 'help' });
  const args = ['/dev/null'];
  const { stderr, stdout } = await start({ environment, executable: '/bin/false', args }, tools);
  // The dynamic linker prints once, for the service.
  assert.equal(stderr, '');
  assert.equal(stdout.toString().split('Valid options for the LD_DEBUG').length, 2);
});

test('without a shell nothing is added either', { skip: root }, async () => {
  const user = { uid: 1, gid: 1, groups: [], switches: true };
  const { stdout } = await start({ listenPid: false, user }, tools);
  assert.equal(stdout.length, 0);
});

test('this machine has a shell to test', () => {
  assert.ok(shells.length > 0, readFileSync('/etc/os-release', 'utf8'));
});
