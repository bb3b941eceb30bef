import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { installZero } from '../support/installed.ts';
import { type Account, account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { puppetConfig, startServing } from '../support/puppet-service.ts';
import { startPuppets } from '../support/puppets.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';
import { type RawConfig, writeConfig } from '../support/zero-config.ts';

/** Listens on a control socket and reports the received bytes. */
const IMPOSTOR = `
  const [path] = process.argv.slice(1);
  const tell = (about, message) => console.log(JSON.stringify({ event: 'warning', about, message }));
  const server = require('node:net').createServer((socket) => {
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (data) => { received += data; });
    socket.on('close', () => tell('closed', received));
  });
  server.listen(path, () => {
    require('node:fs').chmodSync(path, 0o666);
    tell('listening', path);
  });
`;

async function startImpostor(scope: Scope, user: Account, path: string): Promise<Zero> {
  const impostor = startZero(scope, {
    command: [...asAccount(user), process.execPath, '-e', IMPOSTOR, path],
  });
  await impostor.fact('warning', { about: 'listening' });
  return impostor;
}

/** The bytes that the impostor received on the next connection that ends after `from`. */
async function received(impostor: Zero, from: number): Promise<string> {
  return (await impostor.fact('warning', { about: 'closed' }, from)).message;
}

const refusal = (path: string, listening: number, caller: number): string =>
  `control socket ${path}: uid ${listening} listens there, which is not root, this user (uid ${caller}) or the owner of that directory. Nothing was sent. Remove the socket, or run this as that user.\n`;

describe('a control socket or a record of another user', () => {
  it('in /tmp, in place of the directory of the caller, gets no command', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as two other users')) return;
    const [attacker, user] = [account('nobody'), account('daemon')];
    const folder = sharedFolder(t);
    const { command } = installZero(t);
    const directory = join(folder, 'tmp', `zero-${user.uid}`, 'app');
    mkdirSync(directory, { recursive: true });
    for (const path of [dirname(directory), directory]) chownSync(path, attacker.uid, attacker.gid);
    chmodSync(join(folder, 'tmp'), 0o1777);
    const socket = join(directory, 'control.sock');
    const impostor = await startImpostor(t, attacker, socket);
    const environment = { XDG_RUNTIME_DIR: undefined, TMPDIR: join(folder, 'tmp') };
    const as = (args: readonly string[], config?: RawConfig) =>
      runZero(t, {
        folder,
        command: [...asAccount(user), ...command],
        args,
        environment,
        ...(config && { config }),
      });
    // The directory does not belong to the caller, so no socket in it is used.
    const { code, stderr } = await as(['status', '--name', 'app']);
    assert.match(stderr, /no instance with the name app is running/);
    assert.equal(code, 3);
    // If a config contains the path of the socket.
    const config = {
      application: { control: { path: socket } },
      service: { runtime: { path: '/bin/true' } },
    };
    for (const name of ['status', 'reload', 'stop']) {
      const { cursor } = impostor;
      const { code, stdout, stderr } = await as([name], config);
      assert.equal(stderr, `zero ${name}: ${refusal(socket, attacker.uid, user.uid)}`);
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(await received(impostor, cursor), '');
    }
    assert.equal(impostor.log.all('warning', { about: 'closed' }).length, 3);
  });

  it('that redirects root to the socket of a third user, gets no command', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const attacker = account('nobody');
    const folder = sharedFolder(t);
    const tmp = join(folder, 'tmp');
    const directory = join(tmp, `zero-${attacker.uid}`, 'web');
    mkdirSync(directory, { recursive: true });
    const { zero } = await startServing(t, {});
    const socket = join(zero.folder, 'run', 'control.sock');
    const record = { version: 1, name: 'web', pid: 1, config_file: null, control_socket: socket };
    writeFileSync(join(directory, 'instance.json'), JSON.stringify(record));
    for (const path of [dirname(directory), directory, join(directory, 'instance.json')])
      chownSync(path, attacker.uid, attacker.gid);
    const environment = { XDG_RUNTIME_DIR: undefined, TMPDIR: tmp };
    const { code, stderr } = await runZero(t, { args: ['stop', '--name', 'web'], environment });
    const why = `uid 0 listens there, but the instance belongs to uid ${attacker.uid}. Nothing was sent.`;
    assert.ok(stderr.startsWith(`zero stop: control socket ${socket}: ${why}`), stderr);
    assert.equal(code, 1);
    assert.deepEqual(zero.log.all('stop_requested'), []);
  });

  it('in a directory of root that others may write to, gets no command of root', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const attacker = account('nobody');
    const folder = sharedFolder(t);
    const directory = join(folder, 'run');
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    const socket = join(directory, 'control.sock');
    const impostor = await startImpostor(t, attacker, socket);
    const config = { service: { runtime: { path: '/bin/true' } } };
    const { cursor } = impostor;
    const { code, stderr } = await runZero(t, { folder, config, args: ['status'] });
    assert.equal(stderr, `zero status: ${refusal(socket, attacker.uid, 0)}`);
    assert.equal(code, 1);
    assert.equal(await received(impostor, cursor), '');
  });
});

/** zero as an ordinary user in that directory. The group `daemon` may control it. */
async function startAs(scope: Scope, user: Account, folder: string, group: Account): Promise<string> {
  chownSync(folder, user.uid, user.gid);
  const groups = [...user.groups, group.gid];
  const puppets = await startPuppets(scope);
  const config = puppetConfig(puppets, { application: { control: { group: String(group.gid) } } });
  const command = [...asAccount({ ...user, groups }), ...installZero(scope).command] as [string, ...string[]];
  const zero = startZero(scope, { folder, command, config });
  await puppets.next();
  await zero.fact('worker_spawned');
  return writeConfig(folder, config);
}

describe('a zero of an ordinary user', () => {
  it('gets the commands of root, and of a permitted group', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as two other users')) return;
    const [owner, member] = [account('nobody'), account('daemon')];
    // Not in /tmp, where every user could have created that directory.
    const folder = mkdtempSync('/run/zero-test-');
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    const config = await startAs(t, owner, folder, member);
    const { command: own } = installZero(t);
    const args = ['status', '--config', config];
    const commands = [own, [...asAccount(member), ...own]] as const;
    for (const command of commands) {
      const { code, stdout, stderr } = await runZero(t, { command, args });
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^test {2}zero /);
    }
  });

  it('whose directory is in /tmp, gets the commands of root', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as two other users')) return;
    const [owner, member] = [account('nobody'), account('daemon')];
    const folder = sharedFolder(t);
    const config = await startAs(t, owner, folder, member);
    const { command } = installZero(t);
    const args = ['status', '--config', config];
    assert.equal((await runZero(t, { command, args })).code, 0);
    const { code, stderr } = await runZero(t, { command: [...asAccount(member), ...command], args });
    assert.equal(stderr, `zero status: ${refusal(join(folder, 'run/control.sock'), owner.uid, member.uid)}`);
    assert.equal(code, 1);
  });
});
