import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ZERO_COMMAND } from '../support/paths.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero } from '../support/zero.ts';

interface Checked {
  readonly code: number | null;
  readonly stdout: string;
  /** Without their positions. */
  readonly warnings: readonly string[];
}

/** Runs `zero check` on this text in a directory with an executable `app`. */
async function check(scope: Scope, text: string, ...args: readonly string[]): Promise<Checked> {
  const folder = temporaryFolder(scope);
  writeFileSync(join(folder, 'zero.yaml'), text);
  writeFileSync(join(folder, 'app'), '#!/bin/sh\n');
  chmodSync(join(folder, 'app'), 0o755);
  mkdirSync(join(folder, 'empty'));
  const { code, stdout, stderr } = await runZero(scope, { folder, args: ['check', ...args] });
  const warnings = stderr.split('\n').filter((line) => line !== '');
  for (const line of warnings) assert.match(line, /^zero\.yaml:\d+:\d+: warning: /);
  const plain = warnings.map((line) => line.replace(/^.*? warning: /, '').replaceAll(folder, ''));
  return { code, stdout, warnings: plain };
}

const SERVICE = 'service: { runtime: { path: ./app } }\n';

describe('zero check', () => {
  it('prints only ok for a config that works here', DEADLINE, async (t) => {
    assert.deepEqual(await check(t, SERVICE), { code: 0, stdout: 'zero.yaml: ok\n', warnings: [] });
  });

  it(
    'warns of more listeners than descriptors, and zero reports the same when it cannot bind them',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const listeners = Array.from({ length: 1_100 }, (_, index) => ({
        name: `l${index}`,
        address: '127.0.0.1:0',
      }));
      const config = { service: { listeners, runtime: { path: '/bin/true' } } };
      writeFileSync(join(folder, 'zero.yaml'), JSON.stringify(config));
      const run = (...args: readonly string[]) =>
        runZero(t, { folder, command: ['prlimit', '--nofile=1024:1024', ...ZERO_COMMAND], args });
      const checked = await run('check');
      assert.equal(checked.code, 0);
      assert.match(
        checked.stderr,
        /warning: service\.listeners: 1100 listeners need about 4524 descriptors, and a process that is started from here may open 1024\. Raise the hard limit \(ulimit -Hn, LimitNOFILE= in a systemd unit\)\n$/,
      );
      const started = await run();
      assert.equal(started.code, 1);
      assert.match(started.stderr, /EMFILE: all 1024 descriptors of this process are in use\. /);
    },
  );

  it('warns of everything that is missing and may be created later', DEADLINE, async (t) => {
    const { code, stdout, warnings } = await check(
      t,
      `application:
  control: { path: /no/where/control.sock, group: no-such-group }
  logging: { file: /no/where/zero.log }
service:
  listeners:
    - { name: app, address: "unix:/no/where/app.sock", owner: no-such-user }
    - { name: elsewhere, address: "192.0.2.77:80" }
    - { name: device, address: ":81", options: { bind_to_device: no-such0 } }
    - { name: mapped, address: "[::ffff:127.0.0.1]:82" }
  runtime: { path: ./missing, environment_file: .env, user: no-such-user, args: ["\${fd.nope}"] }
  readiness: { command: { run: [./no-check] } }
  liveness: { command: { run: [./no-look] } }
  hooks: { before_reload: { run: [no-such-program] }, after_promote: { run: [/etc] } }
  watch: { paths: [./release] }
`,
    );
    assert.deepEqual([code, stdout], [0, 'zero.yaml: ok\n']);
    assert.deepEqual(warnings, [
      'service.runtime.args[0]: "${fd.nope}" is passed on unchanged: no listener has the name "nope"',
      'service.runtime.user: user no-such-user does not exist: it is neither in /etc/passwd nor in the name service (NSS)',
      'service.runtime.path: executable /./missing: ENOENT: it does not exist',
      'service.runtime.environment_file: environment_file /.env: ENOENT: it does not exist',
      'service.readiness.command.run[0]: /no-check: ENOENT: it does not exist',
      'service.liveness.command.run[0]: /no-look: ENOENT: it does not exist',
      'service.hooks.before_reload.run[0]: no-such-program was not found in PATH',
      'service.hooks.after_promote.run[0]: /etc: it is not a file',
      'service.listeners[0].address: the directory /no/where does not exist',
      'service.listeners[0].owner: user no-such-user does not exist',
      'service.listeners[1].address: this machine does not have the address 192.0.2.77. Run "ip address", or set free_bind',
      'service.listeners[2].options: bind_to_device: network interface no-such0 does not exist',
      'application.control.path: the directory /no/where does not exist',
      'application.control.group: group no-such-group does not exist',
      'application.logging.file: the directory /no/where does not exist',
      'service.watch.paths[0]: /release does not exist',
    ]);
  });

  it('warns of a program that withholds the sockets from the service', DEADLINE, async (t) => {
    const { code, warnings } = await check(
      t,
      'service:\n  listeners: [{ name: http, address: ":8080" }]\n  runtime: { path: ./nodemon, args: [app.js] }\n',
    );
    assert.equal(code, 0);
    assert.ok(
      warnings.includes(
        'service.runtime.path: nodemon starts node as a child process, which does not get the listening sockets. Start this instead: node app.js',
      ),
      warnings.join('\n'),
    );
  });

  it('warns of a missing directory once', DEADLINE, async (t) => {
    const { code, warnings } = await check(t, 'service: { runtime: { path: app, directory: ./nowhere } }\n');
    assert.deepEqual(
      [code, warnings],
      [0, ['service.runtime.directory: directory /./nowhere: ENOENT: it does not exist']],
    );
  });

  it('refuses a config that can never work', DEADLINE, async (t) => {
    const long = `/tmp/${'x'.repeat(100)}`;
    const errors = async (text: string) => {
      const { code, stdout } = await check(t, text);
      assert.equal(code, 1);
      return stdout;
    };
    assert.match(
      await errors(`application: { runtime_directory: ${long} }\n${SERVICE}`),
      /^zero\.yaml:1:35: application\.runtime_directory: the runtime directory \/tmp\/x+ is too long: sockets in it have paths of 118 bytes, and a Unix socket can have 107\n$/,
    );
    assert.match(
      await errors(
        'service:\n  listeners: [{ name: a, address: "unix:app.sock" }, { name: b, address: "unix:empty/../app.sock" }]\n  runtime: { path: ./app }\n',
      ),
      /service\.listeners\[1\]\.address: "unix:empty\/\.\.\/app\.sock" is the same file as service\.listeners\[0\]\.address\n$/,
    );
    assert.match(
      await errors(
        'service:\n  listeners: [{ name: a, address: ":80" }, { name: b, address: "127.0.0.1:80" }]\n  runtime: { path: ./app }\n',
      ),
      /service\.listeners\[1\]\.address: "tcp:127\.0\.0\.1:80" overlaps with "tcp::80" at service\.listeners\[0\]/,
    );
  });

  it('shows the descriptor limit of a service', DEADLINE, async (t) => {
    // Node has raised its own soft limit, and so has zero.
    const [, hard] =
      /^Max open files +\S+ +(\S+)/m.exec(execFileSync('cat', ['/proc/self/limits'], { encoding: 'utf8' })) ??
      [];
    const { stdout } = await check(t, SERVICE, '--print');
    assert.match(stdout, new RegExp(`# limits\\.nofile is not set: .* may have ${hard} open descriptors\n`));
    const set = 'service: { runtime: { path: ./app, limits: { nofile: "64:128" } } }\n';
    const printed = await check(t, set, '--print');
    assert.match(printed.stdout, /nofile: "?64:128"?\n/);
    assert.doesNotMatch(printed.stdout, /nofile is not set/);
  });
});
