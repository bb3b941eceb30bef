// Invalid input and failures: an error reports each of them, and the old process keeps serving.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { HttpConnection } from '../support/http-connection.ts';
import { parseTarget } from '../support/target.ts';
import {
  becomeReady,
  createUpgraderIn,
  failsWith,
  type Program,
  type ProgramStart,
  replace,
  serveIn,
  startProgram,
  type Upgradable,
  upgradeIn,
} from '../support/upgradable.ts';

const DEADLINE = { timeout: 60_000 };

interface Serving {
  readonly program: Program;
  readonly first: Upgradable;
  readonly address: string;
  readonly pidFile: string;
}

/** A first process that serves and has a pid file. */
async function serving(t: TestContext, start: ProgramStart = {}): Promise<Serving> {
  const program = await startProgram(t, start);
  const first = await program.next();
  const pidFile = join(program.folder, 'run', 'app.pid');
  mkdirSync(join(program.folder, 'run'));
  await createUpgraderIn(first, { pidFile });
  return { program, first, pidFile, address: await serveIn(first) };
}

/**
 * Asserts that the first process is unaffected: it responds, it has no child, the pid file contains its pid, and its
 * next upgrade succeeds.
 */
async function assertServesOn({ program, first, address, pidFile }: Serving): Promise<void> {
  const connection = new HttpConnection(parseTarget(address));
  const exchange = await connection.exchange(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    10_000,
  );
  connection.close();
  assert.equal(exchange.kind, 'answered', JSON.stringify(exchange));
  assert.deepEqual(JSON.parse(exchange.response.body.toString()), { generation: first.pid });
  assert.equal(readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, 'latin1'), '');
  assert.equal(readFileSync(pidFile, 'latin1'), `${first.pid}\n`);
  assert.deepEqual(readdirSync(join(program.folder, 'run')), ['app.pid']);
  const { upgraded, second } = await replace(program, first, { pidFile });
  assert.equal(await serveIn(second), address);
  await upgraded;
  assert.equal(readFileSync(pidFile, 'latin1'), `${second.pid}\n`);
}

describe('the upgrader reports', () => {
  it('invalid options, each with its name', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    const complaint = (options: unknown): Promise<string> =>
      first.run(async ({ library }, given) => {
        try {
          await library.createUpgrader(given as never);
          return 'none';
        } catch (error) {
          return String(error);
        }
      }, options);
    for (const [options, message] of [
      [
        { pidfile: 'a' },
        'createUpgrader: unknown option pidfile; known options: pidFile, upgradeTimeoutMs, probationMs',
      ],
      [{ pidFile: 1 }, 'createUpgrader: pidFile is 1, not a string'],
      [{ pidFile: '' }, 'createUpgrader: pidFile is empty'],
      [
        { upgradeTimeoutMs: '60' },
        'createUpgrader: upgradeTimeoutMs is "60", not a whole number from 0 to 2147483647',
      ],
      [{ probationMs: -1 }, 'createUpgrader: probationMs is -1, not a whole number from 0 to 2147483647'],
      ['app.pid', 'createUpgrader: options are not an object'],
    ] as const)
      assert.equal(await complaint(options), `TypeError: ${message}`);
    await createUpgraderIn(first);
    await assert.rejects(createUpgraderIn(first), /this process has an upgrader already/);
    const address = await serveIn(first);
    await assert.rejects(
      first.run(({ upgrader }) => upgrader.upgrade({ arguments: [] } as never)),
      /TypeError|upgrade: unknown option arguments; known options: timeoutMs/,
    );
    await assert.rejects(
      first.run(({ upgrader }) => upgrader.upgrade({ args: 'a' } as never)),
      /args is not a list/,
    );
    const { upgraded, second } = await replace(program, first);
    assert.equal(await serveIn(second), address);
    await upgraded;
  });

  it('an address that cannot be listened on', DEADLINE, async (t) => {
    const state = await serving(t);
    const { first, address } = state;
    const port = Number(address.split(':')[1]);
    const complaint = (wrong: string): Promise<string> =>
      first.run(
        async ({ upgrader, modules, server, servers }, { name, taken, folder }) => {
          const calls: Record<string, () => Promise<void>> = {
            'no server': () => upgrader.listen((() => undefined) as never, { port: 0 }),
            'no place': () => upgrader.listen(server(), {}),
            'two places': () => upgrader.listen(server(), { port: 0, path: '/a' }),
            'a port that is none': () => upgrader.listen(server(), { port: 65_536 }),
            'listening already': () => upgrader.listen(servers.http as never, { port: 0 }),
            'listening otherwise': async () => {
              const other = modules.http.createServer();
              await new Promise<void>((resolve) => other.listen(0, resolve));
              try {
                await upgrader.listen(other, { port: 0 });
              } finally {
                other.close();
              }
            },
            'two servers': () =>
              upgrader.listen(modules.http.createServer(), { host: '127.0.0.1', port: taken }),
            'a name twice': async () => {
              await upgrader.listen(modules.http.createServer(), { port: 0, name: 'a', host: '127.0.0.1' });
              await upgrader.listen(modules.http.createServer(), { port: 0, name: 'a', host: '127.0.0.1' });
            },
            'a file': () => upgrader.listen(modules.http.createServer(), { path: `${folder}/file` }),
            'no folder': () => upgrader.listen(modules.http.createServer(), { path: `${folder}/none/a` }),
            'no datagrams': () => upgrader.bind({} as never, { port: 0 }),
            'no port': () => upgrader.bind(modules.dgram.createSocket('udp4'), {} as never),
            'bound already': async () => {
              const socket = modules.dgram.createSocket('udp4');
              await new Promise<void>((resolve) => socket.bind(0, resolve));
              try {
                await upgrader.bind(socket, { port: 0 });
              } finally {
                socket.close();
              }
            },
            'no descriptor': async () => upgrader.fds.add('b', 9_999),
          };
          const before = servers.http;
          try {
            await calls[name]?.();
            return 'none';
          } catch (error) {
            return String(error);
          } finally {
            if (before !== undefined) servers.http = before;
          }
        },
        { name: wrong, taken: port, folder: state.program.folder },
      );
    writeFileSync(join(state.program.folder, 'file'), 'precious');
    for (const [wrong, message] of [
      ['no server', /^TypeError: listen: not a server of node:net/],
      ['no place', /^TypeError: listen: port or path is missing/],
      ['two places', /^TypeError: listen: path cannot be combined with/],
      ['a port that is none', /^TypeError: listen: port is 65536, not a whole number from 0 to 65535/],
      ['listening already', /^Error: listen: this server listens already/],
      ['listening otherwise', /^Error: listen: this server listens already/],
      ['two servers', /EADDRINUSE: tcp:127\.0\.0\.1:\d+: another server of this process has that socket/],
      ['a name twice', /EADDRINUSE: a: this process already has a descriptor of that name/],
      ['a file', /EADDRINUSE: .*\/file: it is not a socket/],
      ['no folder', /^Error: listen ENOENT: .*\/none\/a: directory .* does not exist/],
      ['no datagrams', /^TypeError: bind: not a socket of node:dgram/],
      ['no port', /^TypeError: bind: port is missing/],
      ['bound already', /^Error: bind: this socket is bound already/],
      ['no descriptor', /^TypeError: fds\.add: b: descriptor 9999 is not open/],
    ] as const)
      assert.match(await complaint(wrong), message, wrong);
    assert.equal(readFileSync(join(state.program.folder, 'file'), 'latin1'), 'precious');
    await assertServesOn(state);
  });

  it('a Unix path of another listener, and replaces one of an exited process', DEADLINE, async (t) => {
    const { program, first } = await serving(t);
    const path = join(program.folder, 'living');
    const other = createServer((socket) => void socket.destroy());
    await new Promise<void>((resolve) => other.listen(path, resolve));
    t.after(() => other.close());
    const listen = (where: string): Promise<void> =>
      first.run(({ upgrader, modules, kept }, given) => {
        kept.other = modules.net.createServer();
        return upgrader.listen(kept.other, { path: given });
      }, where);
    await assert.rejects(listen(path), failsWith('EADDRINUSE', /living: another process listens there/));
    // A killed process does not remove its path.
    const dead = await startProgram(t);
    const killed = await dead.next();
    await createUpgraderIn(killed);
    const left = join(dead.folder, 'left');
    await serveIn(killed, { path: left });
    killed.kill();
    await killed.gone;
    await listen(left);
    assert.equal(await first.run(({ kept }) => kept.other.address()), left);
  });

  it('ready, listen and upgrade after stop', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    await first.run(({ upgrader }) => upgrader.stop());
    for (const call of [
      () => becomeReady(first),
      () => serveIn(first),
      () => upgradeIn(first),
      () => first.run(({ upgrader }) => upgrader.fds.add('a', 0)),
    ])
      await assert.rejects(call, failsWith('STOPPED'));
    assert.equal(await first.run(({ upgrader }) => upgrader.exit), 'stopped');
  });

  it('a new socket during an upgrade, and after it', DEADLINE, async (t) => {
    const state = await serving(t);
    const { program, first, pidFile } = state;
    const open = () =>
      first.run(({ upgrader, modules }) => upgrader.listen(modules.net.createServer(), { port: 0 }));
    const { upgraded, second } = await replace(program, first, { pidFile });
    await assert.rejects(open(), failsWith('IN_PROGRESS', /^listen: an upgrade is in progress/));
    await serveIn(second);
    await upgraded;
    await assert.rejects(open(), failsWith('ALREADY_UPGRADED'));
  });

  it('a missing executable or directory', DEADLINE, async (t) => {
    const state = await serving(t);
    const gone = join(state.program.folder, 'gone');
    for (const [options, message] of [
      [{ executable: gone }, /upgrade: executable .*\/gone: it does not exist/],
      [{ executable: 'no-such-program' }, /upgrade: executable no-such-program: it does not exist/],
      [{ directory: gone }, /upgrade: directory .*\/gone: it does not exist/],
      // The executable exists, and its interpreter does not (execve(2): ENOENT of the interpreter).
      [{ executable: '/bin/sh', args: ['-c', `exec ${gone}`] }, /ended with code 127/],
    ] as const)
      await assert.rejects(upgradeIn(state.first, options), failsWith('CHILD_EXITED', message));
    await assertServesOn(state);
  });

  it('its own missing executable', DEADLINE, async (t) => {
    const folder = join((await startProgram(t)).folder, 'bin');
    mkdirSync(folder);
    const node = join(folder, 'node');
    symlinkSync(process.execPath, node);
    const state = await serving(t, { executable: node });
    // The program was called by the link. Without the link its target is used.
    rmSync(node);
    await assertServesOn(state);
  });

  it('a pid file in a missing directory', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    const pidFile = join(program.folder, 'none', 'app.pid');
    await createUpgraderIn(first, { pidFile });
    await assert.rejects(serveIn(first), /^Error: cannot write pid file .*\/none\/app\.pid: ENOENT/);
    // It is not ready, and may try again.
    await assert.rejects(upgradeIn(first), failsWith('NOT_READY'));
    mkdirSync(join(program.folder, 'none'));
    await becomeReady(first);
    assert.equal(readFileSync(pidFile, 'latin1'), `${first.pid}\n`);
  });

  it('a pid file that the new process cannot write', DEADLINE, async (t) => {
    const state = await serving(t);
    const { program, first, pidFile } = state;
    // A directory in its place cannot be replaced by a file, not even by root.
    const wrong = join(program.folder, 'a-folder');
    mkdirSync(join(wrong, 'not-empty'), { recursive: true });
    const { upgraded, second } = await replace(program, first, { pidFile: wrong });
    // The process gets the error, and at about the same time the old one asks it to stop.
    await assert.rejects(serveIn(second), /^Error: (cannot write pid file .*\/a-folder: |process \d+ left)/);
    await assert.rejects(
      upgraded,
      failsWith('CHILD_EXITED', /could not take over: cannot write pid file .*a-folder: /),
    );
    await second.gone;
    // A missing directory is detected before the process takes over.
    const again = await replace(program, first, { pidFile: join(program.folder, 'none', 'pid') });
    await assert.rejects(serveIn(again.second), /^Error: cannot write pid file .*: ENOENT/);
    again.second.exit(1);
    await assert.rejects(again.upgraded, failsWith('CHILD_EXITED'));
    assert.equal(pidFile, state.pidFile);
    await assertServesOn(state);
  });

  it('a pid file in a directory that may not be written', DEADLINE, async (t) => {
    // No user can create files there, including root.
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first, { pidFile: '/proc/sys/app.pid' });
    await assert.rejects(
      serveIn(first),
      /^Error: cannot write pid file \/proc\/sys\/app\.pid: (EACCES|ENOENT|EPERM)/,
    );
  });

  it('missing descriptors in the middle of an upgrade', DEADLINE, async (t) => {
    const state = await serving(t, { through: ['prlimit', '--nofile=200:200'] });
    const { first } = state;
    await first.run(({ modules, kept }) => {
      kept.eaten = [];
      kept.eat = () => {
        try {
          for (;;) kept.eaten.push(modules.fs.openSync('/dev/null', 'r'));
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      };
      kept.release = (count: number) => {
        for (const fd of kept.eaten.splice(0, count)) modules.fs.closeSync(fd);
      };
    });
    // One more descriptor each time: the channel, the pipe for errors of exec(2), and those that Node opens.
    const codes = await first.run(async ({ kept, upgrader, modules }) => {
      kept.eat();
      const seen = [];
      for (let free = 0; free < 4; free += 1) {
        const outcome = await upgrader.upgrade({ executable: '/bin/false' }).catch((error) => error);
        seen.push(`${outcome.code} ${/EMFILE|code 1/.exec(outcome.message)?.[0]}`);
        kept.release(1);
      }
      kept.release(kept.eaten.length);
      return { seen, open: modules.fs.readdirSync('/proc/self/fd').length };
    });
    assert.equal(codes.seen[0], 'CHILD_EXITED EMFILE');
    for (const code of codes.seen) assert.match(code, /^CHILD_EXITED (EMFILE|code 1)$/);
    assert.ok(codes.open < 60, `${codes.open} are open`);
    await assertServesOn(state);
  });

  it('a new process that sends invalid or incomplete messages', DEADLINE, async (t) => {
    const state = await serving(t);
    for (const [script, message] of [
      ['echo rubbish >&3; exec sleep 1000', /sent an invalid message/],
      // Its exit may be received before its output was read.
      ['printf rubbish >&3', /sent an invalid message|ended with code 0/],
      ['head -c 5000000 /dev/zero >&3; exec sleep 1000', /sent an invalid message/],
      [`echo '{"type":"inherit"}' >&3; exec sleep 1000`, /sent an invalid message/],
      [`echo '{"type":"hello","version":99,"pid":1}' >&3; exec sleep 1000`, /uses version 99, this one 1/],
      // It would run on without the channel, and never report anything.
      ['exec 3>&-; exec sleep 1000', /ended with SIGKILL/],
    ] as const)
      await assert.rejects(
        upgradeIn(state.first, { executable: 'sh', args: ['-c', script] }),
        failsWith('CHILD_EXITED', message),
      );
    await assertServesOn(state);
  });
});
