import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { installZero } from '../support/installed.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { nextReady, puppetConfig, startServing } from '../support/puppet-service.ts';
import { startPuppets } from '../support/puppets.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

const SERVICE = { service: { runtime: { path: '/bin/true' } } } satisfies RawConfig;
const OWN = process.geteuid?.() ?? 0;

/** A directory in `folder` that belongs to that user, with exactly this mode. */
function directory(folder: string, mode: number, owner: { uid: number; gid: number } | null = null): string {
  const path = join(folder, 'foreign');
  mkdirSync(path);
  chmodSync(path, mode);
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
  return path;
}

for (const which of ['runtime', 'data'] as const) {
  const start = (t: Parameters<typeof runZero>[0], path: string) =>
    runZero(t, { config: { application: { [`${which}_directory`]: path }, ...SERVICE } });
  const refused = (path: string, why: string): string =>
    `zero: ${which} directory ${path}: ${why}. Only root and this user may be able to change it: correct the owner and the mode, or set application.${which}_directory to another path.\n`;

  describe(`zero with a ${which} directory`, () => {
    it('that others may write to does not start, and writes nothing there', DEADLINE, async (t) => {
      const foreign = directory(temporaryFolder(t), 0o777);
      for (const path of [foreign, join(foreign, 'app')]) {
        const { code, stderr } = await start(t, path);
        assert.equal(stderr, refused(path, `${foreign} is writable by other users (mode 777)`));
        assert.equal(code, 1);
        assert.deepEqual(readdirSync(foreign), []);
      }
    });

    it('of another user does not start', DEADLINE, async (t) => {
      if (!requireRoot(t, 'makes a directory of another user')) return;
      const attacker = account('nobody');
      const foreign = directory(sharedFolder(t), 0o755, attacker);
      for (const path of [foreign, join(foreign, 'app')]) {
        const { code, stderr } = await start(t, path);
        assert.equal(
          stderr,
          refused(path, `${foreign} belongs to uid ${attacker.uid}, not to root or uid 0`),
        );
        assert.equal(code, 1);
        assert.deepEqual(readdirSync(foreign), []);
      }
    });

    it('behind a symbolic link of another user does not start', DEADLINE, async (t) => {
      if (!requireRoot(t, 'makes a link of another user')) return;
      const attacker = account('nobody');
      const folder = sharedFolder(t);
      const own = directory(folder, 0o755);
      const link = join(folder, 'link');
      symlinkSync(own, link);
      lchownSync(link, attacker.uid, attacker.gid);
      const { code, stderr } = await start(t, link);
      const why = `${link} is a symbolic link that belongs to uid ${attacker.uid}, not to root or uid 0`;
      assert.equal(stderr, refused(link, why));
      assert.equal(code, 1);
      assert.deepEqual(readdirSync(own), []);
    });

    it('behind a symbolic link of this user starts', DEADLINE, async (t) => {
      const folder = temporaryFolder(t);
      const link = join(folder, 'link');
      symlinkSync(directory(folder, 0o755), link);
      const { zero } = await startServing(t, { application: { [`${which}_directory`]: link } });
      zero.signal('SIGTERM');
      assert.equal((await zero.exited).code, 0);
    });
  });
}

describe('an ordinary user without XDG_RUNTIME_DIR, whose directory in /tmp an attacker created first', () => {
  const ATTACKS = {
    'with mode 777': (path: string) => {
      mkdirSync(path);
      chmodSync(path, 0o777);
    },
    'as a symbolic link': (path: string) => {
      mkdirSync(`${path}-real`);
      chmodSync(`${path}-real`, 0o777);
      symlinkSync(`${path}-real`, path);
    },
  };
  for (const [how, attack] of Object.entries(ATTACKS)) {
    it(`${how}, is refused`, DEADLINE, async (t) => {
      if (!requireRoot(t, 'acts as two other users')) return;
      const [attacker, user] = [account('nobody'), account('daemon')];
      const folder = sharedFolder(t);
      const { command } = installZero(t);
      const tmp = join(folder, 'tmp');
      mkdirSync(tmp);
      chmodSync(tmp, 0o1777);
      const path = join(tmp, `zero-${user.uid}`);
      attack(path);
      for (const name of readdirSync(tmp)) lchownSync(join(tmp, name), attacker.uid, attacker.gid);
      const { code, stderr } = await runZero(t, {
        folder,
        command: [...asAccount(user), ...command],
        args: ['run', '--listen', '127.0.0.1:0', '--name', 'app', '--', '/bin/true'],
        environment: { XDG_RUNTIME_DIR: undefined, XDG_STATE_HOME: join(folder, 'state'), TMPDIR: tmp },
      });
      assert.match(
        stderr,
        new RegExp(`^zero: runtime directory ${path}/app: ${path} .* uid ${attacker.uid}, `),
      );
      assert.equal(code, 1);
      for (const name of readdirSync(tmp)) assert.deepEqual(readdirSync(join(tmp, name)), []);
    });
  }
});

describe('a symbolic link in place of a file of zero', () => {
  const CONTENT = 'precious\n';
  /** A directory with `run` and `data`, and a link at that name. */
  const linked = (
    t: Parameters<typeof temporaryFolder>[0],
    name: string,
  ): { folder: string; target: string } => {
    const folder = temporaryFolder(t);
    for (const one of ['run', 'data']) mkdirSync(join(folder, one), { mode: 0o755 });
    const target = join(folder, 'target');
    writeFileSync(target, CONTENT);
    symlinkSync(target, join(folder, name));
    return { folder, target };
  };

  it('state.json, is reported and set aside; its target is unchanged', DEADLINE, async (t) => {
    const { folder, target } = linked(t, 'run/state.json');
    const { zero } = await startServing(t, {}, { folder });
    const { file, reason } = await zero.fact('state_set_aside');
    assert.equal(reason, 'it is a symbolic link, which zero does not follow');
    assert.equal(readlinkSync(file), target);
    assert.equal(readFileSync(target, 'utf8'), CONTENT);
    assert.equal(lstatSync(join(folder, 'run/state.json')).isFile(), true);
  });

  it('state.json.new, is reported and removed; its target is unchanged', DEADLINE, async (t) => {
    const { folder, target } = linked(t, 'run/state.json.new');
    const { zero } = await startServing(t, {}, { folder });
    const { message } = await zero.fact('error', { step: 'write state' });
    assert.match(message, /state\.json\.new is a symbolic link/);
    assert.equal(readFileSync(target, 'utf8'), CONTENT);
    assert.equal(lstatSync(join(folder, 'run/state.json')).isFile(), true);
  });

  it('history.jsonl, is reported; its target is unchanged, and the service runs', DEADLINE, async (t) => {
    const { folder, target } = linked(t, 'data/history.jsonl');
    const { zero } = await startServing(t, {}, { folder });
    const { message } = await zero.fact('error', { step: 'write history' });
    assert.match(message, /history\.jsonl is a symbolic link/);
    assert.equal(readFileSync(target, 'utf8'), CONTENT);
  });

  it('lock, prevents the start of zero; its target is unchanged', DEADLINE, async (t) => {
    const { folder, target } = linked(t, 'run/lock');
    const { code, stderr } = await runZero(t, { folder, config: SERVICE });
    assert.equal(
      stderr,
      `zero: runtime directory ${folder}/run: ELOOP: ${folder}/run/lock is a symbolic link, which zero does not follow. Remove it\n`,
    );
    assert.equal(code, 1);
    assert.equal(readFileSync(target, 'utf8'), CONTENT);
  });

  it('the log in a directory that others may write to, prevents the start of zero', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const logs = directory(folder, 0o777);
    const target = join(folder, 'target');
    writeFileSync(target, CONTENT);
    symlinkSync(target, join(logs, 'zero.log'));
    const file = join(logs, 'zero.log');
    const { code, stderr } = await runZero(t, {
      folder,
      config: { application: { logging: { file } }, ...SERVICE },
    });
    assert.match(
      stderr,
      /zero\.log: ELOOP: it is a symbolic link in a directory that other users may write to/,
    );
    assert.equal(code, 1);
    assert.equal(readFileSync(target, 'utf8'), CONTENT);
  });
});

describe('zero for a user without a home directory', () => {
  it('reports what to set, and starts with XDG_STATE_HOME', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as a user that is not in the password database')) return;
    const folder = sharedFolder(t);
    const uid = 54321;
    chownSync(folder, uid, uid);
    const { command } = installZero(t);
    const other = { name: 'other', uid, gid: uid, groups: [uid] };
    const options = {
      folder,
      command: [...asAccount(other), ...command] as [string, ...string[]],
      args: ['run', '--listen', '127.0.0.1:0', '--name', 'app', '--', '/bin/sleep', '60'],
      environment: { HOME: undefined, XDG_STATE_HOME: undefined, XDG_RUNTIME_DIR: folder },
    };
    const { code, stderr } = await runZero(t, options);
    assert.equal(
      stderr,
      `zero: data directory: HOME is not set, and uid ${uid} has no home directory in the password database. Set HOME, XDG_STATE_HOME or application.data_directory.\n`,
    );
    assert.equal(code, 1);
    const zero = startZero(t, {
      ...options,
      environment: { ...options.environment, XDG_STATE_HOME: folder },
    });
    await zero.fact('worker_spawned');
    zero.signal('SIGTERM');
    assert.equal((await zero.exited).code, 0);
  });
});

describe('the path of a Unix listener in a directory that the user of the service may write to', () => {
  /**
   * Runs as a process of that user: it immediately replaces every file that appears at the path by the file next to it.
   */
  const SWAP = `
    const fs = require('node:fs');
    const [folder] = process.argv.slice(1);
    fs.watch(folder, (_, name) => {
      if (name !== 'app.sock') return;
      try { fs.renameSync(folder + '/secret', folder + '/app.sock'); } catch {}
    });
    console.log('{"event":"watching","paths":[]}');
  `;

  it('may be replaced by a file of root, which keeps its owner and its mode', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const attacker = account('nobody');
    for (let round = 0; round < 5; round += 1) {
      const folder = sharedFolder(t);
      const hostile = directory(folder, 0o755, attacker);
      const secret = join(hostile, 'secret');
      writeFileSync(secret, 'secret', { mode: 0o600 });
      const { ino } = lstatSync(secret);
      const swapper = startZero(t, {
        command: [...asAccount(attacker), process.execPath, '-e', SWAP, hostile],
      });
      await swapper.fact('watching');
      const puppets = await startPuppets(t);
      const address = `unix:${join(hostile, 'app.sock')}`;
      const listeners = [{ name: 'http', address, owner: attacker.name, mode: '0666' }];
      const zero = startZero(t, { folder, config: puppetConfig(puppets, { listeners }) });
      // Either side may win: zero serves, or it reports that the path was replaced and exits.
      const started = await Promise.race([puppets.next().then(() => true), zero.exited.then(() => false)]);
      if (started) {
        zero.signal('SIGQUIT');
        await zero.exited;
      } else assert.match(zero.log.text, /another process replaced .*app\.sock while the socket was bound/);
      swapper.process.kill();
      const found = readdirSync(hostile).map((name) => lstatSync(join(hostile, name)));
      const victim = found.find((stats) => stats.ino === ino);
      // It may have been removed with the listener, because its directory belongs to the attacker.
      if (victim) assert.deepEqual([victim.uid, victim.mode & 0o777], [0, 0o600]);
    }
  });

  it('may be replaced before a reload changes its mode: the other file is unchanged', DEADLINE, async (t) => {
    const folder = sharedFolder(t);
    const hostile = directory(folder, 0o777);
    const path = join(hostile, 'app.sock');
    const listeners = (mode: string) => [{ name: 'http', address: `unix:${path}`, mode }];
    const service = await startServing(t, { listeners: listeners('0600') }, { folder });
    writeFileSync(`${path}.new`, 'secret', { mode: 0o600 });
    // The user of the service can do the same, because the directory is writable for that user.
    renameSync(`${path}.new`, path);
    service.rewrite({ listeners: listeners('0666') });
    service.reload();
    await nextReady(service.puppets);
    await service.zero.fact('generation_promoted', { generation: 2 });
    const { mode, uid } = lstatSync(path);
    const isSecret = existsSync(path) && readSecret(path);
    if (isSecret) assert.deepEqual([mode & 0o777, uid], [0o600, OWN]);
    service.zero.signal('SIGTERM');
    assert.equal((await service.zero.exited).code, 0);
  });
});

function readSecret(path: string): boolean {
  return lstatSync(path).isFile() && readFileSync(path, 'utf8') === 'secret';
}
