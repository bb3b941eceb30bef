import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import { installZero } from '../support/installed.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';
import { writeConfig } from '../support/zero-config.ts';

/** A script that only waits. Additional bytes make it another release. */
function writeProgram(file: string, comment = ''): string {
  writeFileSync(file, `#!/bin/sh\n# ${comment}\nwhile :; do sleep 100; done\n`);
  chmodSync(file, 0o755);
  return file;
}

interface Place {
  /** Every user may enter the directory, and only root may write to it. */
  readonly folder: string;
  /** The executable in a separate directory. */
  readonly app: string;
  readonly directory: string;
}

function place(scope: Scope): Place {
  const folder = sharedFolder(scope);
  const directory = join(folder, 'release');
  mkdirSync(directory);
  return { folder, directory, app: writeProgram(join(directory, 'app')) };
}

const config = (runtime: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  service: { runtime: { directory: '/', ...runtime }, options: { reload_uptime: '0s' }, ...more },
});

const check = (t: TestContext, file: string) => runZero(t, { args: ['check', '--config', file] });

async function startServing(t: TestContext, { folder, app }: Place, runtime = {}): Promise<Zero> {
  const zero = startZero(t, { folder: join(folder, 'zero'), config: config({ path: app, ...runtime }) });
  await zero.fact('generation_promoted', { generation: 1 });
  return zero;
}

describe('root with a config that every user can write to', () => {
  it('cannot start zero, and zero check reports the reason', DEADLINE, async (t) => {
    if (!requireRoot(t, 'the rule is for root')) return;
    const where = place(t);
    const folder = join(where.folder, 'zero');
    const file = writeConfig(folder, config({ path: where.app }));
    const attempts: [string, number, RegExp][] = [
      [file, 0o666, /every user can write to it \(mode 666\)\. Run: chmod o-w .*zero\.yaml/],
      [
        folder,
        0o777,
        /every user can replace it through the directory .*\/zero \(mode 777\)\. Run: chmod o-w .*\/zero/,
      ],
    ];
    for (const [path, mode, reason] of attempts) {
      chmodSync(path, mode);
      const start = await runZero(t, { args: ['--config', file] });
      const found = await check(t, file);
      chmodSync(path, path === file ? 0o644 : 0o755);
      assert.deepEqual([start.code, found.code], [1, 1]);
      assert.equal(start.stderr.trim().split('\n').length, 1, start.stderr);
      for (const text of [start.stderr, found.stdout]) {
        assert.match(text, /config \/.*zero\.yaml: /);
        assert.match(text, reason);
      }
    }
    // The mode of /tmp.
    chmodSync(folder, 0o1777);
    assert.equal((await check(t, file)).code, 0);
  });

  it('cannot reload, and the service keeps running', DEADLINE, async (t) => {
    if (!requireRoot(t, 'the rule is for root')) return;
    const zero = await startServing(t, place(t));
    chmodSync(`${zero.config}`, 0o666);
    const refused = await command(t, zero, 'reload');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /step +config\n +reason +config .*: every user can write to it/);
    assert.equal(zero.log.all('worker_exited').length, 0);
    chmodSync(`${zero.config}`, 0o644);
    const { code, stderr } = await command(t, zero, 'reload');
    assert.equal(code, 0, stderr);
  });

  it('on a read-only file system can start zero', DEADLINE, async (t) => {
    if (!requireRoot(t, 'mounting a directory')) return;
    if (!requireProgram(t, 'unshare', 'util-linux')) return;
    const { folder, directory, app } = place(t);
    const file = writeConfig(directory, config({ path: app }));
    chmodSync(directory, 0o777);
    assert.equal((await check(t, file)).code, 1);
    const mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"';
    if (spawnSync('unshare', ['--mount', 'sh', '-c', mount, 'sh', directory]).status !== 0)
      return t.skip('needs a mount namespace of its own');
    const inside = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      `${mount} && shift && exec "$@"`,
      'sh',
      directory,
    ] as const;
    const { code, stdout } = await runZero(t, {
      command: [...inside, ...ZERO_COMMAND],
      args: ['check', '--config', file],
      directory: folder,
    });
    assert.equal(code, 0, stdout);
  });
});

describe('root with a program that every user can write to', () => {
  it('cannot start zero', DEADLINE, async (t) => {
    if (!requireRoot(t, 'the rule is for root')) return;
    const { folder, app } = place(t);
    chmodSync(app, 0o777);
    const { code, stdout, stderr } = await runZero(t, { folder, config: config({ path: app }) });
    assert.equal(code, 1);
    assert.match(
      stdout + stderr,
      /release\.path.*executable .*: every user can write to it \(mode 777\)\. Run: chmod o-w/,
    );
  });

  it('cannot reload, by any path to the program, and the service keeps running', DEADLINE, async (t) => {
    if (!requireRoot(t, 'the rule is for root')) return;
    const where = place(t);
    const { folder, directory, app } = where;
    const zero = await startServing(t, where);
    const open = writeProgram(join(folder, 'open'));
    chmodSync(open, 0o757);
    symlinkSync(directory, join(folder, 'current'));
    const variables = join(folder, 'variables');
    writeFileSync(variables, 'A=1\n');
    chmodSync(variables, 0o666);
    const run = { run: [open] };
    const behind = { run: ['timeout', '5', open, variables] };
    const cases: [string, ReturnType<typeof config>, (() => void) | null][] = [
      ['release.path', config({ path: open }), null],
      ['release.path', config({ path: '/bin/sh', args: [open] }), null],
      ['release.path', config({ path: join(folder, 'current', 'app') }), () => chmodSync(directory, 0o777)],
      ['release.environment_file', config({ path: app, environment_file: variables }), null],
      ['hook.after_promote', config({ path: app }, { hooks: { after_promote: run } }), null],
      ['hook.on_crash_loop', config({ path: app }, { hooks: { on_crash_loop: run } }), null],
      ['hook.on_recovery', config({ path: app }, { hooks: { on_recovery: { run: ['sh', open] } } }), null],
      ['hook.before_reload', config({ path: app }, { hooks: { before_reload: behind } }), null],
      ['readiness.command', config({ path: app }, { readiness: { command: behind } }), null],
      ['readiness.command', config({ path: app }, { readiness: { command: run } }), null],
      ['liveness.command', config({ path: app }, { liveness: { command: run } }), null],
    ];
    for (const [step, next, before] of cases) {
      before?.();
      zero.rewrite(next);
      const reload = await command(t, zero, 'reload');
      const found = await check(t, `${zero.config}`);
      chmodSync(directory, 0o755);
      assert.deepEqual([reload.code, found.code], [1, 1], step);
      assert.match(
        reload.stderr,
        new RegExp(`step +${step.replace('.', '\\.')}\n +reason +.*every user can`),
      );
      assert.match(found.stdout, /zero\.yaml:\d+:\d+: service\..*every user can/);
    }
    assert.deepEqual([zero.log.all('worker_spawned').length, zero.log.all('worker_exited').length], [1, 0]);
    chmodSync(open, 0o755);
    zero.rewrite(config({ path: open }));
    const { code, stderr } = await command(t, zero, 'reload');
    assert.equal(code, 0, stderr);
  });

  it('cannot roll back to it', DEADLINE, async (t) => {
    if (!requireRoot(t, 'the rule is for root')) return;
    const where = place(t);
    const zero = await startServing(t, where);
    zero.rewrite(config({ path: writeProgram(join(where.directory, 'next'), 'another') }));
    const reload = await command(t, zero, 'reload');
    assert.equal(reload.code, 0, reload.stderr);
    chmodSync(where.app, 0o777);
    const { code, stderr } = await command(t, zero, 'rollback');
    assert.equal(code, 1);
    assert.match(stderr, /executable .*\/app: every user can write to it/);
    assert.equal(zero.log.all('worker_exited', { generation: 2 }).length, 0);
  });

  it('an ordinary user may do all of this', DEADLINE, async (t) => {
    if (!requireRoot(t, 'zero of another user')) return;
    const nobody = account('nobody');
    const { folder, app, directory } = place(t);
    for (const path of [folder, directory, app]) chownSync(path, nobody.uid, nobody.gid);
    chmodSync(app, 0o777);
    const zero = startZero(t, {
      command: [...asAccount(nobody), ...installZero(t).command],
      folder,
      config: config({ path: app }),
    });
    await zero.fact('generation_promoted');
  });
});

describe('root with files of another user', () => {
  it('deploys the releases of a deploy user without a warning', DEADLINE, async (t) => {
    if (!requireRoot(t, 'files of another user')) return;
    const deploy = account('daemon');
    const where = place(t);
    for (const path of [where.directory, where.app]) {
      chownSync(path, deploy.uid, deploy.gid);
      chmodSync(path, 0o775);
    }
    const zero = await startServing(t, where, { user: 'nobody' });
    assert.deepEqual(zero.log.all('warning', { about: 'permissions' }), []);
    const { code, stderr } = await check(t, `${zero.config}`);
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('is warned once of the files that the user of the service can write to', DEADLINE, async (t) => {
    if (!requireRoot(t, 'files of another user')) return;
    const nobody = account('nobody');
    const where = place(t);
    chownSync(where.app, nobody.uid, nobody.gid);
    const zero = await startServing(t, where, { user: 'nobody' });
    const [warning, ...more] = zero.log.all('warning', { about: 'permissions' });
    assert.deepEqual(more, []);
    const text = `executable ${where.app}: nobody, the user of the service, can write to it (owner uid ${nobody.uid}). Run: chown root ${where.app}`;
    assert.equal(warning?.message, text);
    const reload = await command(t, zero, 'reload');
    assert.equal(reload.code, 0, reload.stderr);
    await zero.fact('generation_promoted', { generation: 2 });
    assert.equal(zero.log.all('warning', { about: 'permissions' }).length, 1);
    // The config, through its group.
    chownSync(`${zero.config}`, 0, nobody.gid);
    chmodSync(`${zero.config}`, 0o664);
    const again = await command(t, zero, 'reload');
    assert.equal(again.code, 0, again.stderr);
    await zero.fact('generation_promoted', { generation: 3 });
    const all = zero.log.all('warning', { about: 'permissions' }).map(({ message }) => message);
    assert.equal(all.length, 2);
    assert.match(
      all[1] ?? '',
      /^config .*: nobody, the user of the service, can write to it \(mode 664\)\. Run: chmod g-w /,
    );
    const { code, stderr } = await check(t, `${zero.config}`);
    assert.equal(code, 0);
    assert.match(stderr, /warning: service\.runtime\.path: executable .*Run: chown root/);
    assert.match(stderr, /warning: config .*Run: chmod g-w/);
  });
});
