import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chownSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ask } from '../support/ask.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { follow, type Program } from '../support/handed-program.ts';
import { installZero } from '../support/installed.ts';
import { type Load, startLoad } from '../support/load.ts';
import { fixture, ROOT } from '../support/paths.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import { parseTarget } from '../support/target.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

const PRELOADED = ['--import', 'zerodown/register'];

/** The same program everywhere, on an address that a manager can be given. */
async function program(
  kind = 'http',
  folder = fixture('unchanged'),
): Promise<{ address: string; port: string; args: string[] }> {
  const address = await freeAddress();
  const port = address.split(':')[1] ?? '';
  return { address, port, args: [join(folder, 'programs.cjs'), kind, port] };
}

/** A directory with the program that every user may read. */
function readableFolder(scope: Scope): string {
  const folder = sharedFolder(scope);
  cpSync(fixture('unchanged'), folder, { recursive: true });
  return folder;
}

/** A directory with the installed package. */
function project(scope: Scope): string {
  const folder = temporaryFolder(scope);
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'zerodown'));
  return folder;
}

function startManager(scope: Scope, command: string, args: readonly string[]): Program {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  return follow(scope, spawn(command, args, { cwd: project(scope), env, stdio: [...stdio] }));
}

/** Clients with both kinds of connections, with and without pauses. */
function startLoads(scope: Scope, target: string): Load[] {
  return [
    startLoad(scope, { target, clients: 4 }),
    startLoad(scope, { target, clients: 8, connections: 'keep-alive' }),
    startLoad(scope, { target, clients: 8, connections: 'keep-alive', think: { from: 0, to: 200 } }),
  ];
}

/** Asserts that no request was lost, and that each of these generations has answered. */
async function assertNothingLost(loads: readonly Load[], generations: readonly string[]): Promise<void> {
  for (const { failed, losses, byGeneration } of await Promise.all(loads.map((load) => load.stop()))) {
    assert.deepEqual([failed, losses], [0, []]);
    assert.deepEqual(Object.keys(byGeneration).sort(), generations);
  }
}

/** zero stores an instance of root in system directories, and otherwise in these directories of the test. */
function startAsUser(t: Scope, args: readonly string[], environment: Readonly<Record<string, string>>): Zero {
  const folder = sharedFolder(t);
  const nobody = account('nobody');
  if (IS_ROOT) chownSync(folder, nobody.uid, nobody.gid);
  const { command } = installZero(t);
  return startZero(t, {
    folder,
    command: IS_ROOT ? [...asAccount(nobody), ...command] : command,
    args,
    environment: { XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder, ...environment },
  });
}

/** Two handovers under load, and the stop. */
async function losesNothingUnderZero(
  t: Scope,
  address: string,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const zero = startAsUser(t, ['run', '--listen', address, '--', ...command], environment);
  await zero.fact('generation_promoted', { generation: 1 });
  const loads = startLoads(t, address);
  for (const generation of [2, 3]) {
    await Promise.all(loads.map((load) => load.whenPhaseHas(100)));
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation: generation - 1 });
    for (const load of loads) load.phase(`generation ${generation}`);
  }
  await Promise.all(loads.map((load) => load.whenPhaseHas(100)));
  await assertNothingLost(loads, ['1', '2', '3']);
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  const exits = zero.log.all('worker_exited').map(({ exit }) => exit);
  assert.deepEqual(exits, Array(3).fill({ kind: 'exited', code: 0 }));
}

describe('an unchanged program', () => {
  it('loses no request when zero hands over, without loading the module explicitly', DEADLINE, async (t) => {
    const { address, args } = await program('http', readableFolder(t));
    // The previous content of NODE_OPTIONS is still there.
    const environment = { NODE_OPTIONS: '--no-deprecation' };
    await losesNothingUnderZero(t, address, ['env', 'UNCHANGED=yes', 'node', ...args], environment);
  });

  it('loses no request as a cluster', DEADLINE, async (t) => {
    const { address, args } = await program('cluster', readableFolder(t));
    await losesNothingUnderZero(t, address, ['node', ...args]);
  });

  it('loses no request when Server::Starter hands over', DEADLINE, async (t) => {
    const starter = requireProgram(t, 'start_server', 'libserver-starter-perl');
    if (starter === null) return;
    const { address, args } = await program();
    const manager = startManager(t, starter, [
      ...['--port', address, '--interval', '1', '--', process.execPath],
      ...[...PRELOADED, ...args],
    ]);
    await manager.line('starting new worker');
    const first = await ask('http', parseTarget(address));
    assert.equal(first.generation, 1);
    const loads = startLoads(t, address);
    await Promise.all(loads.map((load) => load.whenPhaseHas(100)));
    manager.process.kill('SIGHUP');
    await manager.line(`old worker ${first.pid} died, status:0`);
    for (const load of loads) load.phase('generation 2');
    await Promise.all(loads.map((load) => load.whenPhaseHas(100)));
    await assertNothingLost(loads, ['1', '2']);
    manager.process.kill('SIGTERM');
    assert.equal((await manager.exited).code, 0);
  });

  it('is started by systemd at the first connection, and serves it', DEADLINE, async (t) => {
    const activate = requireProgram(t, 'systemd-socket-activate', 'systemd');
    if (activate === null) return;
    const { address, args } = await program();
    const command = [process.execPath, ...PRELOADED, ...args];
    const manager = startManager(t, activate, ['--listen', address, ...command]);
    await manager.line('Listening on');
    // The manager executes the program in its own process.
    assert.equal((await ask('http', parseTarget(address))).pid, manager.pid);
    assert.equal((await ask('http', parseTarget(address))).pid, manager.pid);
    manager.process.kill('SIGTERM');
    assert.deepEqual(await manager.exited, { code: 0, signal: null });
  });

  it('runs as usual without passed sockets', DEADLINE, async (t) => {
    const { address, port } = await program();
    const [host = ''] = address.split(':');
    const file = fixture('unchanged/programs.cjs');
    const alone = startManager(t, process.execPath, [...PRELOADED, file, 'callback', port, host]);
    await alone.line('listening');
    assert.equal((await ask('http', parseTarget(address))).pid, alone.pid);
    alone.process.kill('SIGTERM');
    assert.deepEqual(await alone.exited, { code: null, signal: 'SIGTERM' });
  });

  it('is not started through a package manager, which withholds its sockets', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'package.json'), '{"scripts":{"start":"node server.js"}}');
    const args = ['run', '--listen', '127.0.0.1:0', '--', 'npm', 'start'];
    const { code, stderr } = await runZero(t, { args, folder });
    assert.equal(code, 2);
    assert.equal(
      stderr,
      'zero run: npm does not pass listening sockets on to its child processes. ' +
        'Specify the node command itself: zero run --listen 127.0.0.1:0 -- node server.js\n',
    );
  });
});
