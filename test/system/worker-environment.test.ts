import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, requireRoot } from '../support/privileges.ts';
import type { Puppet } from '../support/puppet.ts';
import { startReporter, variablesOf } from '../support/reporter-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** Variables for zero's own sockets and manager: from systemd, from another zero, from other socket managers. */
const OF_ZERO_ITSELF: Readonly<Record<string, string>> = {
  LISTEN_FDS: '2',
  LISTEN_PID: '4242',
  LISTEN_FDNAMES: 'own:control',
  LISTEN_FDS_FIRST_FD: '3',
  NOTIFY_SOCKET: '@the-manager-of-zero',
  WATCHDOG_PID: '4242',
  WATCHDOG_USEC: '30000000',
  FDSTORE: '5',
  SERVER_STARTER_PORT: '9999=3',
  SERVER_STARTER_GENERATION: '77',
  EINHORN_FD_COUNT: '3',
  EINHORN_FD_0: '13',
  EINHORN_FD_1: '4',
  EINHORN_FD_2: '5',
  EINHORN_FDS: '3 4 5',
  EINHORN_MASTER_PID: '4242',
  EINHORN_SOCK_PATH: '/run/einhorn.sock',
  NGINX: '3;4;',
  FPM_SOCKETS: '127.0.0.1:9000=3',
  ZERO_LISTENERS: '[{"name":"own","fd":3,"address":"127.0.0.1:1"}]',
  ZERO_GENERATION: '99',
  ZERO_WORKER: '7',
  ZERO_SHUTDOWN_SIGNAL: 'SIGKILL',
  ZERO_SHUTDOWN_TIMEOUT_MS: '1',
  ZERO_CARRIED_0: 'X=1',
};

const CONVENTIONS = [
  'EINHORN_FD_0',
  'EINHORN_FD_COUNT',
  'EINHORN_MASTER_PID',
  'LISTEN_FDNAMES',
  'LISTEN_FDS',
  'LISTEN_PID',
  'NOTIFY_SOCKET',
  'SERVER_STARTER_GENERATION',
  'SERVER_STARTER_PORT',
  'ZERO_GENERATION',
  'ZERO_LISTENERS',
  'ZERO_SHUTDOWN_SIGNAL',
  'ZERO_SHUTDOWN_TIMEOUT_MS',
  'ZERO_WORKER',
];

/** Names and values that a shell, an option parser or a text encoding would change. */
const AWKWARD: Readonly<Record<string, string>> = {
  'dotted.name': 'dot',
  'spring.datasource.url': 'jdbc:x?a=b&c=d',
  'with-dash': 'dash',
  'with space': 'space',
  '1digit': '1',
  ünïcode: 'wärme 漢字',
  lower: 'case',
  BLANKS: '  two before, one after ',
  LINES: 'one\ntwo\n\nfour\n',
  TAB: 'a\tb',
  QUOTES: `"'\`$(id) $HOME \${HOME} \\ \\n`,
  OPTION: '-i',
  EQUALS: '=a=b=',
  PWD: '/not/the/directory',
  OLDPWD: '/nor/this',
  SHLVL: '41',
  _: 'underscore',
  IFS: 'x',
  OPTIND: '9',
  PPID: '1',
  PS4: '$(id)',
  ENV: '/nonexistent',
  LC_ALL: 'xx_YY.UTF-8',
  LANG: 'C',
  LD_LIBRARY_PATH: '/nonexistent',
  POSIXLY_CORRECT: '1',
  PATH: '/nonexistent/bin',
};

/** The variables without those of conventions, in latin1, sorted by name. */
function withoutConventions(report: Puppet): Record<string, string> {
  const variables = [...variablesOf(report)].filter(([name]) => !CONVENTIONS.includes(name));
  return Object.fromEntries(variables.filter(([name]) => name !== 'PUPPET_SOCKET').sort());
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

function inLatin1(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables)
      .map(([name, value]) => [latin1(name), latin1(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function assertNoDuplicates(report: Puppet): void {
  assert.equal(report.environment.length, variablesOf(report).size);
}

describe('the environment of a service', () => {
  it('is the list of the config and the conventions, byte for byte', DEADLINE, async (t) => {
    const variables = Object.entries(AWKWARD).map(([key, value]) => ({ key, value }));
    const { report } = await startReporter(t, {
      variables,
      environment: { SECRET_OF_ZERO: 'x', LC_TIME: 'C' },
    });
    assert.deepEqual(withoutConventions(report), inLatin1(AWKWARD));
    assertNoDuplicates(report);
  });

  it('copies variables of zero whose value is empty in the list', DEADLINE, async (t) => {
    const { report } = await startReporter(t, {
      variables: [
        { key: 'FOO', value: 'bar' },
        { key: 'BAZ' },
        { key: 'LINES', value: '' },
        { key: 'NONE' },
        { key: 'dotted.name' },
      ],
      environment: { FOO: 'of zero', BAZ: 'of zero', LINES: 'a\nb', 'dotted.name': 'd', OTHER: 'x' },
    });
    assert.deepEqual(withoutConventions(report), {
      BAZ: 'of zero',
      FOO: 'bar',
      LINES: 'a\nb',
      NONE: '',
      'dotted.name': 'd',
    });
  });

  it('is that of zero if the list is empty, including invalid text', DEADLINE, async (t) => {
    const { report } = await startReporter(t, {
      command: [
        'perl',
        '-e',
        'my $socket = $ENV{PUPPET_SOCKET}; %ENV = (PUPPET_SOCKET => $socket, EMPTY => "", "a.b" => "x", PATH => "/bin:/usr/bin", ' +
          '"n\\xff\\xfe" => "\\x01\\xff\\x80\\n\\xc3", PWD => "/p", LC_ALL => "C"); exec @ARGV or die',
        ...ZERO_COMMAND,
      ],
    });
    assert.deepEqual(withoutConventions(report), {
      EMPTY: '',
      LC_ALL: 'C',
      PATH: '/bin:/usr/bin',
      PWD: '/p',
      'a.b': 'x',
      'n\xff\xfe': '\x01\xff\x80\n\xc3',
    });
    assertNoDuplicates(report);
  });

  it("has none of the variables of zero's own sockets", DEADLINE, async (t) => {
    const { zero, report } = await startReporter(t, { environment: { ...OF_ZERO_ITSELF, KEPT: 'yes' } });
    const variables = variablesOf(report);
    assert.equal(variables.get('KEPT'), 'yes');
    const conventions = [...variables.keys()].filter(
      (name) => CONVENTIONS.includes(name) || name in OF_ZERO_ITSELF,
    );
    assert.deepEqual(conventions.sort(), CONVENTIONS);
    for (const name of Object.keys(OF_ZERO_ITSELF))
      assert.notEqual(variables.get(name), OF_ZERO_ITSELF[name], name);
    assert.equal(variables.get('EINHORN_MASTER_PID'), String(zero.pid));
  });

  it('has none of those even if the list requests them', DEADLINE, async (t) => {
    const names = Object.keys(OF_ZERO_ITSELF);
    const { report } = await startReporter(t, {
      variables: names.map((key) => ({ key })),
      environment: OF_ZERO_ITSELF,
    });
    assert.deepEqual([...variablesOf(report).keys()].sort(), [...CONVENTIONS, 'PUPPET_SOCKET'].sort());
  });

  it('is inherited below a list if the config requests it', DEADLINE, async (t) => {
    const { report } = await startReporter(t, {
      runtime: { environment: [{ key: 'FOO', value: 'of the list' }], inherit_environment: true },
      environment: { FOO: 'of zero', BAR: 'of zero' },
    });
    assert.equal(variablesOf(report).get('FOO'), 'of the list');
    assert.equal(variablesOf(report).get('BAR'), 'of zero');
  });

  it(
    'has the variables of environment_file, read again for each generation, below the list',
    DEADLINE,
    async (t) => {
      const file = join(temporaryFolder(t), 'variables');
      writeFileSync(
        file,
        Buffer.from(
          '# a comment\nA=1\nB="two\nlines"\nEMPTY=\ndotted.name=x\nRAW=\xff\xfe\nLISTED=file\n',
          'latin1',
        ),
      );
      const service = await startReporter(t, {
        variables: [{ key: 'LISTED', value: 'list' }],
        runtime: { environment_file: file },
      });
      assert.deepEqual(withoutConventions(service.report), {
        A: '1',
        B: 'two\nlines',
        EMPTY: '',
        LISTED: 'list',
        RAW: '\xff\xfe',
        'dotted.name': 'x',
      });
      writeFileSync(file, 'A=3\n');
      assert.deepEqual(withoutConventions(await service.reload()), { A: '3', LISTED: 'list' });
    },
  );

  it('is unchanged by a change of user, and an inherited HOME is that of the user', DEADLINE, async (t) => {
    if (!requireRoot(t, 'to start a service as another user')) return;
    const runtime = { user: 'nobody', directory: '/', umask: '0022', limits: { core: 0 } };
    const variables = Object.entries(AWKWARD).map(([key, value]) => ({ key, value }));
    const { report } = await startReporter(t, { variables, runtime });
    assert.equal(report.announcement.uid, account('nobody').uid);
    assert.deepEqual(withoutConventions(report), inLatin1(AWKWARD));
    assertNoDuplicates(report);

    const inherited = await startReporter(t, {
      runtime,
      environment: { ...AWKWARD, HOME: '/root', USER: 'root' },
    });
    const { HOME, USER, LOGNAME, ...rest } = withoutConventions(inherited.report);
    assert.deepEqual([USER, LOGNAME], ['nobody', 'nobody']);
    assert.notEqual(HOME, '/root');
    for (const [name, value] of Object.entries(inLatin1(AWKWARD))) assert.equal(rest[name], value, name);
  });

  it('never appears in the log or in a file', DEADLINE, async (t) => {
    const secret = 'correct-horse-battery-staple';
    const file = join(temporaryFolder(t), 'variables');
    writeFileSync(file, `FROM_FILE=${secret}\n`);
    const service = await startReporter(t, {
      application: { logging: { level: 'debug' } },
      variables: [{ key: 'TOKEN', value: secret }, { key: 'INHERITED' }],
      environment: { INHERITED: secret },
      runtime: { environment_file: file },
    });
    const { zero } = service;
    await service.reload();
    await zero.fact('generation_gone', { generation: 1 });
    service.rewrite({ runtime: { environment_file: file, path: '/nonexistent' } });
    const from = zero.cursor;
    zero.signal('SIGHUP');
    await zero.fact('handover_finished', { outcome: 'failed' }, from);
    // All files have been written: copies for a rollback are made in the background.
    for (const generation of [1, 2]) await zero.fact('executable_kept', { generation });
    const written = ['run', 'data'].flatMap((name) => filesBelow(join(zero.folder, name)));
    assert.ok(written.some((path) => path.endsWith('state.json')));
    assert.ok(written.some((path) => path.endsWith('history.jsonl')));
    for (const path of written) assert.doesNotMatch(readFileSync(path, 'latin1'), new RegExp(secret), path);
    assert.doesNotMatch(zero.log.text, new RegExp(secret));
  });
});

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
