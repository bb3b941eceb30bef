// The assertions of cloudflare/tableflip's own tests, under the same names, for this library. If a test depends on a
// feature of Go that Node does not have, a comment says so, and the test asserts the behaviour of this library.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openPipe } from '../../src/linux/pipes.ts';
import type { HandedOn } from '../../src/service/upgrader/descriptor-table.ts';
import { NewProcess } from '../../src/service/upgrader/new-process.ts';
import { setNonBlocking } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary.ts';
import {
  becomeReady,
  createUpgraderIn,
  failsWith,
  listenIn,
  type Program,
  replace,
  serveIn,
  startProgram,
  type Upgradable,
  upgradeIn,
} from '../support/upgradable.ts';

const DEADLINE = { timeout: 60_000 };

/** A first process with an upgrader that has reported readiness. */
async function ready(t: TestContext): Promise<{ program: Program; first: Upgradable }> {
  const program = await startProgram(t);
  const first = await program.next();
  await createUpgraderIn(first);
  await first.run(({ upgrader }) => upgrader.ready());
  return { program, first };
}

/** A shell script as the new process. Descriptor 3 is its channel. */
function shell(script: string, descriptors: readonly HandedOn[] = []): Promise<NewProcess> {
  const program = {
    file: '/bin/sh',
    argv0: 'sh',
    args: ['-c', script],
    environment: process.env,
    directory: '/',
  };
  return NewProcess.start({ program, descriptors, state: undefined });
}

const HELLO = `echo '{"type":"hello","version":1,"pid":'$$'}' >&3`;
const READY = `echo '{"type":"ready"}' >&3`;

const described = (name: string, fd: number): HandedOn => {
  const { dev, ino } = fstatSync(fd);
  return {
    fd,
    described: { name, kind: 'other', asked: null, bound: null, path: null, identity: { dev, ino } },
  };
};

describe("tableflip's tests", () => {
  it('UpgraderOnOS', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    await assert.rejects(upgradeIn(first), failsWith('NOT_READY'));
    const names = ['one', 'two'];
    // FIFOs opened for reading and writing, so that no side waits for the other one.
    const paths = names.map((name) => join(program.folder, name));
    await first.run(
      ({ kept, upgrader, modules }, given) => {
        for (const { name, path } of given) {
          modules.child_process.execFileSync('mkfifo', [path]);
          kept[name] = modules.fs.openSync(path, 'r+');
          upgrader.fds.add(name, kept[name]);
        }
      },
      names.map((name, index) => ({ name, path: paths[index] ?? '' })),
    );
    await becomeReady(first);
    const { upgraded, second } = await replace(program, first);
    assert.notEqual(second.pid, first.pid);
    await second.run(({ upgrader, modules }, given) => {
      for (const name of given) modules.fs.writeSync(upgrader.fds.get(name) ?? -1, name);
    }, names);
    await becomeReady(second);
    assert.equal((await upgraded).pid, second.pid);
    const read = await first.run(
      ({ kept, modules }, given) =>
        given.map((name) => {
          const buffer = Buffer.alloc(16);
          return buffer.toString('latin1', 0, modules.fs.readSync(kept[name], buffer));
        }),
      names,
    );
    assert.deepEqual(read, names);
  });

  for (const [name, code] of [
    ['UpgraderCleanExit', 0],
    ['UpgraderUncleanExit', 1],
  ] as const) {
    it(name, DEADLINE, async (t) => {
      const { program, first } = await ready(t);
      const { upgraded, second } = await replace(program, first);
      second.exit(code);
      await assert.rejects(upgraded, failsWith('CHILD_EXITED', new RegExp(`ended with code ${code} `)));
    });
  }

  it('UpgraderTimeout', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    await assert.rejects(upgradeIn(first, { timeoutMs: 10 }), failsWith('TIMED_OUT', /within 10ms/));
    // It exited before the promise was rejected: only the first one remains.
    const children = readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, 'latin1');
    assert.equal(children, '');
    assert.equal(program.all[0], first);
  });

  it('UpgraderListenConfig', DEADLINE, async (t) => {
    // Node has no hook between socket(2) and bind(2). A program binds a server in its own way with `open`.
    const { first } = await ready(t);
    const calls = await first.run(async (remote) => {
      const opened: string[] = [];
      const server = remote.server();
      await remote.upgrader.listen(server, {
        port: 0,
        async open(given) {
          opened.push(given === server ? 'the server' : 'another one');
          await new Promise<void>((resolve) => given.listen(0, '127.0.0.1', resolve));
        },
      });
      return opened;
    });
    assert.deepEqual(calls, ['the server']);
  });

  it('UpgraderConcurrentUpgrade', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const { upgraded, second } = await replace(program, first);
    await assert.rejects(upgradeIn(first), failsWith('IN_PROGRESS'));
    await becomeReady(second);
    await upgraded;
    await assert.rejects(upgradeIn(first), failsWith('ALREADY_UPGRADED'));
  });

  it('HasParent', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    assert.equal(await first.run(({ upgrader }) => upgrader.hasParent), false);
    const { second } = await replace(program, first);
    assert.equal(await second.run(({ upgrader }) => upgrader.hasParent), true);
  });

  it('UpgraderWaitForParent', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const { upgraded, second } = await replace(program, first);
    await becomeReady(second);
    await upgraded;
    const aborted = second.run(({ upgrader }) =>
      upgrader.waitForParent(AbortSignal.abort(new Error('no time'))),
    );
    await assert.rejects(aborted, /no time/);
    const order: string[] = [];
    const waiting = second
      .run(({ upgrader }) => upgrader.waitForParent())
      .then(() => void order.push('returned'));
    // While it waits, the answer to a later request arrives first.
    await second.run(() => process.pid).then(() => void order.push('still waiting'));
    first.exit(0);
    await waiting;
    assert.deepEqual(order, ['still waiting', 'returned']);
    await second.run(({ upgrader }) => upgrader.waitForParent());
  });

  it('UpgraderReady', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const exit = first.run(({ upgrader }) => upgrader.exit);
    const { upgraded, second } = await replace(program, first);
    await becomeReady(second);
    assert.equal((await upgraded).pid, second.pid);
    assert.equal(await exit, 'superseded');
    first.exit(0);
    await second.run(({ upgrader }) => upgrader.waitForParent());
  });

  it('UpgraderShutdownCancelsUpgrade', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const { upgraded, second } = await replace(program, first);
    await first.run(({ upgrader }) => upgrader.stop());
    await assert.rejects(upgraded, failsWith('STOPPED'));
    await second.gone;
    assert.equal(await first.run(({ upgrader }) => upgrader.exit), 'stopped');
    await assert.rejects(upgradeIn(first), failsWith('STOPPED'));
  });

  it('ReadyWritesPIDFile', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    const pidFile = join(program.folder, 'app.pid');
    await createUpgraderIn(first, { pidFile });
    assert.equal(existsSync(pidFile), false);
    await becomeReady(first);
    assert.equal(readFileSync(pidFile, 'latin1'), `${first.pid}\n`);
  });

  it('WritePidFileWithoutPath', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first, { pidFile: 'app.pid' });
    await becomeReady(first);
    assert.equal(readFileSync(join(program.folder, 'app.pid'), 'latin1'), `${first.pid}\n`);
  });

  it('ChildExit', DEADLINE, async () => {
    const child = await shell('exit 0');
    await assert.rejects(child.failure, { code: 'CHILD_EXITED', message: /ended with code 0 / });
    await child.end(0);
  });

  it('ChildKill', DEADLINE, async () => {
    const child = await shell(`${HELLO}; read line <&3; exec sleep 1000`);
    await child.said('hello');
    await child.end(0);
    await assert.rejects(child.failure, { message: /ended with SIGKILL/ });
  });

  it('ChildNotReady', DEADLINE, async () => {
    const child = await shell(`${HELLO}; exit 0`);
    const outcome = await Promise.race([
      child.said('ready').then(() => 'ready'),
      child.failure.catch(String),
    ]);
    assert.match(outcome, /ended with code 0 /);
    await child.end(0);
  });

  it('ChildReady', DEADLINE, async () => {
    const child = await shell(`${HELLO}; ${READY}; read a <&3; read b <&3`);
    await Promise.race([child.said('ready'), child.failure]);
    child.takeOver();
    await child.end(0);
  });

  it('ChildPassedFds', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const files = ['one', 'two', 'three'].map((name) => {
      const path = join(folder, name);
      writeFileSync(path, name);
      return { name, path, fd: openSync(path, 'r') };
    });
    const out = join(folder, 'out');
    // The first line on the channel lists the inherited descriptors, then follow the files of descriptors 3 and up.
    const child = await shell(
      `read line <&3; { echo "$line"; for fd in 4 5 6; do readlink /proc/$$/fd/$fd; done; ls /proc/$$/fd; } > ${out}.new; mv ${out}.new ${out}; exit 0`,
      files.map(({ name, fd }) => described(name, fd)),
    );
    await child.failure.catch(() => undefined);
    const [line = '', ...rest] = readFileSync(out, 'latin1').trim().split('\n');
    const { descriptors } = JSON.parse(line) as { descriptors: { name: string; fd: number }[] };
    assert.deepEqual(
      descriptors.map(({ name, fd }) => [name, fd]),
      [
        ['one', 4],
        ['two', 5],
        ['three', 6],
      ],
    );
    assert.deepEqual(
      rest.slice(0, 3),
      files.map(({ path }) => path),
    );
    // It has none of the other descriptors of this process. One is the shell's own, for the directory that it lists.
    assert.deepEqual(
      rest
        .slice(3)
        .map(Number)
        .filter((fd) => fd < 10)
        .sort(),
      [0, 1, 2, 3, 4, 5, 6],
    );
    for (const { fd, path } of files) assert.equal(readlinkSync(`/proc/self/fd/${fd}`), path);
  });

  it('ParentExit', DEADLINE, async (t) => {
    // This test is a parent that writes invalid data.
    const program = await startProgram(t, { asChild: 'rubbish\n' });
    const one = await program.next();
    await assert.rejects(createUpgraderIn(one), /started this one for an upgrade: not a message: "rubbish"/);
    // The second parent exits before it has written anything.
    const other = await startProgram(t, { asChild: '' });
    await assert.rejects(
      createUpgraderIn(await other.next()),
      /started this one for an upgrade: it has exited/,
    );
  });

  it('FilesAreNonblocking', DEADLINE, async (t) => {
    // O_NONBLOCK belongs to the open file, which both processes share: a new process must not change it for the old
    // one.
    const pipe = openPipe();
    t.after(() => [pipe.read, pipe.write].forEach(closeSync));
    setNonBlocking(pipe.read);
    const flags = (): string => readFileSync(`/proc/self/fdinfo/${pipe.read}`, 'latin1');
    const before = flags();
    assert.match(before, /^flags:\s+\d*4\d{3}$/m, 'O_NONBLOCK is 04000 (open(2))');
    const child = await shell('exit 0', [described('pipe', pipe.read)]);
    await assert.rejects(child.failure, { message: /code 0/ });
    assert.equal(flags(), before);
    // One promise represents its exit, with the same result for every caller.
    await assert.rejects(child.failure, { message: /code 0/ });
  });

  it('ArgumentsArePassedCorrectly', DEADLINE, async (t) => {
    const args = ['first', '--second=two words', '', '*', "it's"];
    const program = await startProgram(t, { args, execArgv: ['--max-http-header-size=9999'] });
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    // The directory and the environment have changed since: only the environment is passed on.
    await first.run(() => {
      process.chdir('/');
      process.env.ADDED = 'later';
    });
    const { second } = await replace(program, first);
    const { argv, execArgv, directory, environment, ppid } = second.beginning;
    assert.deepEqual(argv.slice(2), args);
    assert.deepEqual(argv, first.beginning.argv);
    assert.deepEqual(execArgv, first.beginning.execArgv);
    assert.equal(directory, first.beginning.directory);
    assert.equal(environment.ADDED, 'later');
    assert.equal(ppid, first.pid);
  });

  it('FdsAddListener', DEADLINE, async (t) => {
    const { first } = await ready(t);
    const seen = await first.run(async (remote) => {
      const { upgrader, modules } = remote;
      const path = `${process.cwd()}/added`;
      const servers = [modules.net.createServer(), modules.net.createServer()];
      await upgrader.listen(servers[0] as never, { host: '127.0.0.1', port: 0, name: 'tcp' });
      await upgrader.listen(servers[1] as never, { path, name: 'unix' });
      const added = upgrader.fds.list().map(({ name, kind }) => `${kind} ${name}`);
      for (const server of servers) server.close();
      return { added, left: upgrader.fds.list(), path: modules.fs.existsSync(path) };
    });
    assert.deepEqual(seen, { added: ['listener tcp', 'listener unix'], left: [], path: false });
  });

  it('FdsAddPacketConn', DEADLINE, async (t) => {
    // UDP only: node:dgram has no Unix datagram sockets. A foreign one can be added as a descriptor, as in FdsFile.
    const { first } = await ready(t);
    const seen = await first.run(async ({ upgrader, modules }) => {
      const socket = modules.dgram.createSocket('udp4');
      await upgrader.bind(socket, { host: '127.0.0.1', port: 0, name: 'udp' });
      const added = upgrader.fds.list().map(({ name, kind }) => `${kind} ${name}`);
      socket.close();
      return { added, left: upgrader.fds.list() };
    });
    assert.deepEqual(seen, { added: ['datagram udp'], left: [] });
  });

  it('FdsListen', DEADLINE, async (t) => {
    // Without unixgram and unixpacket, which Node can neither listen on nor bind.
    const { program, first } = await ready(t);
    const path = join(program.folder, 'app.sock');
    const abstract = `\0zerodown-${process.pid}`;
    const open = async (one: Upgradable): Promise<unknown[]> =>
      one.run(
        async ({ upgrader, kept, modules }, given) => {
          const places = [{ host: '127.0.0.1', port: 0 }, { path: given.path }, { path: given.abstract }];
          const servers = [];
          for (const place of places) {
            const server = modules.net.createServer((socket) => void socket.end(String(process.pid)));
            await upgrader.listen(server, place);
            servers.push(server);
          }
          const socket = modules.dgram.createSocket('udp4');
          await upgrader.bind(socket, { host: '127.0.0.1', port: 0 });
          kept.all = [...servers, socket];
          return kept.all.map((each: typeof socket) => each.address());
        },
        { path, abstract },
      );
    const before = await open(first);
    const { upgraded, second } = await replace(program, first);
    assert.deepEqual(await open(second), before);
    await becomeReady(second);
    await upgraded;
    // Only the second process remains, and is reachable at each address.
    first.exit(0);
    await first.gone;
    const { port } = before[0] as { port: number };
    for (const target of [{ port, host: '127.0.0.1' }, { path }, { path: abstract }]) {
      const [answer] = await once(connect(target), 'data');
      assert.equal(String(answer), String(second.pid));
    }
  });

  it('FdsListenWithCallback', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const open = (one: Upgradable): Promise<number> =>
      one.run(async ({ upgrader, modules }) => {
        let called = 0;
        await upgrader.listen(modules.net.createServer(), {
          host: '127.0.0.1',
          port: 0,
          async open(server) {
            called += 1;
            await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
          },
        });
        const socket = modules.dgram.createSocket('udp4');
        await upgrader.bind(socket, {
          port: 0,
          async open(given) {
            called += 1;
            await new Promise<void>((resolve) => given.bind(0, '127.0.0.1', resolve));
          },
        });
        return called;
      });
    assert.equal(await open(first), 2);
    const { second } = await replace(program, first);
    assert.equal(await open(second), 0);
  });

  it('FdsListenPacketDynamicPort', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const ports = await first.run(async ({ upgrader, modules }) => {
      const bound = [];
      for (let count = 0; count < 2; count += 1) {
        const socket = modules.dgram.createSocket('udp4');
        await upgrader.bind(socket, { host: '127.0.0.1', port: 0 });
        bound.push(socket.address().port);
      }
      return bound;
    });
    assert.equal(new Set(ports).size, 2);
    const { second } = await replace(program, first);
    // In reverse order, so that a match by order would fail.
    const found = await second.run(async ({ upgrader, modules }, wanted) => {
      for (const port of wanted)
        await upgrader.bind(modules.dgram.createSocket('udp4'), { host: '127.0.0.1', port });
      return upgrader.fds.list().map(({ inherited, used }) => inherited && used);
    }, [...ports].reverse());
    assert.deepEqual(found, [true, true]);
  });

  it('FdsListenDynamicPort', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const open = (one: Upgradable, wanted: readonly number[]): Promise<number[]> =>
      one.run(async ({ upgrader, modules }, given) => {
        const bound = [];
        for (const port of given) {
          const server = modules.net.createServer();
          await upgrader.listen(server, { host: '127.0.0.1', port });
          bound.push((server.address() as { port: number }).port);
        }
        return bound;
      }, wanted);
    const ports = await open(first, [0, 0]);
    assert.equal(new Set(ports).size, 2);
    const { upgraded, second } = await replace(program, first);
    assert.deepEqual(await open(second, [...ports].reverse()), [...ports].reverse());
    await becomeReady(second);
    await upgraded;
    // They are also found by their requested name, in the same order.
    await first.run(({ upgrader }) => upgrader.exit);
    first.exit(0);
    await first.gone;
    const { second: third } = await replace(program, second);
    assert.deepEqual(await open(third, [0, 0]), [...ports].reverse());
  });

  describe('FdsRemoveUnix', () => {
    it('closing and removing used ones unlinks', DEADLINE, async (t) => {
      const { program, first } = await ready(t);
      const path = join(program.folder, 'app.sock');
      await listenIn(first, { path });
      assert.equal(existsSync(path), true);
      await first.run(async ({ servers, upgrader }) => {
        upgrader.stop();
        await new Promise((resolve) => servers.http?.close(resolve));
      });
      assert.equal(existsSync(path), false);
    });

    it('closing inherited unused ones unlinks', DEADLINE, async (t) => {
      const { program, first } = await ready(t);
      const path = join(program.folder, 'app.sock');
      await listenIn(first, { path });
      const { upgraded, second } = await replace(program, first);
      assert.deepEqual(await second.run(({ upgrader }) => upgrader.fds.list().map(({ used }) => used)), [
        false,
      ]);
      await becomeReady(second);
      await upgraded;
      assert.equal(existsSync(path), false);
      assert.deepEqual(await second.run(({ upgrader }) => upgrader.fds.list()), []);
    });

    it('closing used ones keeps the path', DEADLINE, async (t) => {
      const { program, first } = await ready(t);
      const path = join(program.folder, 'app.sock');
      await listenIn(first, { path });
      const { upgraded, second } = await replace(program, first);
      await serveIn(second, { path });
      await upgraded;
      await first.run(({ servers }) => void servers.http?.close());
      first.exit(0);
      await first.gone;
      assert.equal(existsSync(path), true);
      const socket = connect(path);
      await once(socket, 'connect');
      socket.destroy();
    });
  });

  it('FdsConn', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const port = await first.run(async ({ upgrader, kept, modules }) => {
      const server = modules.net.createServer();
      kept.added = new Promise<void>((resolve) => {
        server.once('connection', (socket) => {
          upgrader.fds.add('conn', socket);
          resolve();
        });
      });
      await upgrader.listen(server, { host: '127.0.0.1', port: 0 });
      return (server.address() as { port: number }).port;
    });
    const client = connect(port, '127.0.0.1');
    await first.run(({ kept }) => kept.added);
    const { upgraded, second } = await replace(program, first);
    await second.run(({ upgrader, kept, modules }) => {
      kept.conn = new modules.net.Socket({ fd: upgrader.fds.get('conn') ?? -1 });
      kept.conn.write('from the second');
    });
    const [data] = await once(client, 'data');
    assert.equal(String(data), 'from the second');
    await becomeReady(second);
    await upgraded;
    client.destroy();
  });

  it('FdsFile', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const path = join(program.folder, 'file');
    await first.run(({ upgrader, kept, modules }, given) => {
      kept.file = modules.fs.openSync(given, 'w+');
      modules.fs.writeSync(kept.file, 'written by the first');
      upgrader.fds.add('file', kept.file);
    }, path);
    const { second } = await replace(program, first);
    const text = await second.run(({ upgrader, modules }) => {
      const buffer = Buffer.alloc(64);
      const count = modules.fs.readSync(upgrader.fds.get('file') ?? -1, buffer, 0, buffer.length, 0);
      return buffer.toString('latin1', 0, count);
    });
    assert.equal(text, 'written by the first');
    assert.equal(await second.run(({ upgrader }) => upgrader.fds.get('another')), null);
  });

  it('FdsFiles', DEADLINE, async (t) => {
    const { program, first } = await ready(t);
    const names = ['one', 'two', 'three'];
    await first.run(({ upgrader, modules }, given) => {
      for (const name of given) upgrader.fds.add(name, modules.fs.openSync('/dev/null', 'r'));
    }, names);
    const { second } = await replace(program, first);
    const listed = await second.run(({ upgrader }) => upgrader.fds.list());
    assert.deepEqual(
      listed.map(({ name, kind, inherited, used }) => ({ name, kind, inherited, used })),
      names.map((name) => ({ name, kind: 'other', inherited: true, used: false })),
    );
  });

  it('testing/FdsListen', DEADLINE, async (t) => {
    // tableflip has a stub for tests and for platforms without upgrades. There this library itself listens and does not
    // upgrade.
    const program = await startProgram(t, {
      execArgv: [
        '--import',
        'data:text/javascript,Object.defineProperty(process,"platform",{value:"win32"})',
      ],
    });
    const first = await program.next();
    await createUpgraderIn(first);
    const address = await serveIn(first);
    assert.match(address, /^127\.0\.0\.1:\d+$/);
    await assert.rejects(
      upgradeIn(first),
      failsWith('NOT_SUPPORTED', /needs a POSIX system, and this is Windows/),
    );
  });
});
