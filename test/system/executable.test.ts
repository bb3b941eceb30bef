import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chownSync,
  copyFileSync,
  existsSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import { bareRoot, executableFile, inRoot } from '../support/executable.ts';
import { freeAddress } from '../support/free-address.ts';
import { startLoad } from '../support/load.ts';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { requireRoot } from '../support/privileges.ts';
import { nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero } from '../support/zero.ts';

const HANDOVER = { settle: '100ms', drain_timeout: '1s' };

describe('the executable', () => {
  it('serves, reloads and rolls back without Node and without a shell', DEADLINE, async (t) => {
    if (!requireRoot(t, 'chroot(2)')) return;
    const root = bareRoot(t);
    const release = compileInto(t, root);
    if (release === null) return;
    const zero = startZero(t, {
      folder: root,
      command: inRoot(root),
      config: {
        application: { data_directory: '/var/lib/zero', runtime_directory: '/run/zero' },
        service: {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: { name: 'hello', path: '/service' },
          options: { reload_uptime: '100ms' },
          handover: HANDOVER,
        },
      },
    });
    await zero.fact('handover_finished', { outcome: 'promoted', handover: 1 });
    const load = startLoad(t, { target: await zero.address('http') });
    await load.whenPhaseHas(50);

    release('accept-loop');
    zero.signal('SIGHUP');
    await zero.fact('handover_finished', { outcome: 'promoted', handover: 2 });
    // A new version that exits immediately.
    release('false');
    zero.signal('SIGHUP');
    await zero.fact('handover_finished', { outcome: 'rolled_back', handover: 3 });

    const back = await runZero(t, {
      folder: root,
      command: inRoot(root),
      args: ['rollback', '--config', zero.config ?? ''],
    });
    assert.match(back.stdout, /handover 4 promoted after .*: generation 4 serves/, back.stderr);
    load.phase('after');
    await load.whenPhaseHas(50);
    const result = await load.stop();
    assert.equal(result.failed, 0, JSON.stringify(result.losses));
    for (const path of ['usr/bin/node', 'bin/sh', 'usr/bin/sh']) assert.ok(!existsSync(join(root, path)));
  });

  it('runs where /run and /tmp are mounted noexec', DEADLINE, async (t) => {
    if (!requireRoot(t, 'mount(2)')) return;
    const { code, stdout, stderr } = await runZero(t, {
      command: mounted('noexec', ['/run', '/tmp', '/dev/shm']),
      args: ['run', '--listen', '127.0.0.1:0', '--', '/no/such/program'],
    });
    assert.equal(code, 1);
    assert.match(`${stdout}${stderr}`, /\/no\/such\/program/);
  });

  it('lists every directory that it tried if none permits loading a library', DEADLINE, async (t) => {
    if (!requireRoot(t, 'mount(2)')) return;
    const { code, stderr } = await runZero(t, {
      command: mounted('noexec', ['/run', '/tmp', '/dev/shm', '/var/lib', '/var/tmp'], 'ro'),
      args: ['run', '--listen', '127.0.0.1:0', '--', '/no/such/program'],
    });
    assert.equal(code, 1);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, 1, stderr);
    for (const place of ['/run: noexec', '/tmp: noexec', '/var/tmp: noexec', '/mnt: EROFS'])
      assert.ok(stderr.includes(place), stderr);
  });

  it(
    'passes its sockets to an unchanged Node program, with a home directory or without',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const program = join(folder, 'server.js');
      const home = join(folder, 'home');
      // Root may write to any directory, but not below a file.
      writeFileSync(home, '');
      const nowhere = { HOME: home, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: home };
      for (const environment of [{}, nowhere]) {
        const address = await freeAddress();
        const [, port] = address.split(':');
        writeFileSync(
          program,
          `require('node:http').createServer((_, response) => response.end('{"generation":"own"}')).listen(${port});`,
        );
        const name = `executable-${port}`;
        const command = environment === nowhere ? asUser(folder) : ([executableFile()] as const);
        const args = ['run', '--name', name, '--listen', address, '--', process.execPath, program];
        const zero = startZero(t, { folder, environment, command, args });
        await zero.fact('handover_finished', { outcome: 'promoted' });
        assert.equal((await whoAnswers(address)).generation, 'own');
        // Its directory is on this machine, where `zero list` would find it.
        zero.signal('SIGTERM');
        assert.deepEqual(await zero.exited, { code: 0, signal: null });
      }
      assert.equal(readdirSync(join(folder, 'zero')).filter((one) => one.startsWith('.register-')).length, 1);
      // The config of `zero init` outlives the runtime directory, so the module needs another one.
      const args = ['init', '--listen', '127.0.0.1:0', '--', process.execPath, program];
      const { code, stderr } = await runZero(t, {
        folder,
        environment: nowhere,
        command: asUser(folder),
        args,
      });
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^zero init: cannot write the module for unchanged Node programs: .*ENOTDIR.*\. Set XDG_STATE_HOME .*\n$/,
      );
    },
  );

  it('is replaced by the npm version and replaces it, without a failed request', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: HANDOVER }, { command: [executableFile()] });
    const { zero } = service;
    const load = startLoad(t, { target: await zero.address('http'), connections: 'keep-alive' });
    for (const path of [ZERO_COMMAND[1], executableFile(), executableFile()]) {
      const { code, stdout, stderr } = await command(t, zero, 'upgrade', path);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /was replaced by zero/);
      await load.whenPhaseHas(50);
      load.phase(path);
    }
    const cursor = service.reload();
    await nextReady(service.puppets);
    await zero.fact('handover_finished', { outcome: 'promoted' }, cursor);
    assert.equal((await load.stop()).failed, 0);
  });
});

/** Runs the executable as an ordinary user, who gets the directory. */
function asUser(folder: string): [string, ...string[]] {
  if (process.geteuid?.() !== 0) return [executableFile()];
  chownSync(folder, 65534, 65534);
  return ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', executableFile()];
}

/**
 * Runs a copy of the executable in /mnt with these directories mounted with the option, and its own directory with
 * another option.
 */
function mounted(option: string, directories: readonly string[], own = 'rw'): [string, ...string[]] {
  const mounts = [
    ...directories.map(
      (directory) => `mount --bind ${directory} ${directory} && mount -o remount,bind,${option} ${directory}`,
    ),
    `mount -t tmpfs none /mnt && cp "$0" /mnt/zero && mount -o remount,${own} /mnt`,
  ];
  return [
    'unshare',
    '--mount',
    'sh',
    '-c',
    `${mounts.join(' && ')} && exec /mnt/zero "$@"`,
    executableFile(),
  ];
}

/**
 * Compiles services without libraries, and places one of them in the root. Returns a function that places another one.
 */
function compileInto(t: TestContext, root: string): ((name: 'accept-loop' | 'false') => void) | null {
  const gcc = requireProgram(t, 'gcc', 'gcc libc6-dev');
  if (gcc === null) return null;
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'false.c'), 'int main(void) { return 1; }');
  execFileSync(gcc, ['-static', '-o', join(folder, 'accept-loop'), fixture('accept-loop.c')]);
  execFileSync(gcc, ['-static', '-o', join(folder, 'false'), join(folder, 'false.c')]);
  let releases = 0;
  const release = (name: 'accept-loop' | 'false'): void => {
    const next = join(root, 'next');
    copyFileSync(join(folder, name), next);
    releases += 1;
    // Another release has other content.
    appendFileSync(next, `release ${releases}`);
    renameSync(next, join(root, 'service'));
  };
  release('accept-loop');
  return release;
}
