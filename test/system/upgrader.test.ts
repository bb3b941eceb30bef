// Features that tableflip does not have: other programs, probation, upgrades while an older process drains, reports.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HttpConnection } from '../support/http-connection.ts';
import { fixture, ROOT } from '../support/paths.ts';
import { parseTarget } from '../support/target.ts';
import { temporaryFolder } from '../support/temporary.ts';
import {
  becomeReady,
  createUpgraderIn,
  failsWith,
  listenIn,
  replace,
  serveIn,
  startProgram,
  upgradeIn,
} from '../support/upgradable.ts';

const DEADLINE = { timeout: 60_000 };

/** The pid of the process that responds on a new connection. */
async function whoAnswers(address: string): Promise<number> {
  const connection = new HttpConnection(parseTarget(address));
  const exchange = await connection.exchange(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    10_000,
  );
  connection.close();
  assert.equal(exchange.kind, 'answered', JSON.stringify(exchange));
  return JSON.parse(exchange.response.body.toString()).generation;
}

describe('an upgrade', () => {
  it('may run another executable, with other arguments, environment and directory', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    const address = await serveIn(first);
    // A shell script that execs Node, as wrappers do: the descriptors are inherited.
    const wrapper = join(program.folder, 'wrapper');
    writeFileSync(wrapper, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
    chmodSync(wrapper, 0o755);
    const directory = join(program.folder, 'elsewhere');
    mkdirSync(directory);
    const { CONTROL = '' } = first.beginning.environment;
    const upgraded = upgradeIn(first, {
      executable: '../wrapper',
      directory,
      args: [fixture('upgradable.js'), 'new', 'arguments'],
      environment: { CONTROL, ONLY: 'this' },
    });
    const second = await program.next();
    const { argv, directory: started, environment } = second.beginning;
    assert.deepEqual(argv.slice(2), ['new', 'arguments']);
    assert.equal(started, directory);
    assert.equal(environment.ONLY, 'this');
    assert.equal(environment.PATH ?? '', environment.PATH ?? '');
    assert.equal(environment.HOME, undefined);
    await createUpgraderIn(second);
    assert.equal(await serveIn(second), address);
    assert.equal((await upgraded).pid, second.pid);
  });

  it('runs the executable and the directory that their paths refer to now', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    for (const release of ['one', 'two']) {
      mkdirSync(join(folder, release));
      symlinkSync(process.execPath, join(folder, release, 'node'));
    }
    const current = join(folder, 'current');
    symlinkSync('one', current);
    const program = await startProgram(t, {
      executable: 'node',
      environment: { PATH: current, PWD: current },
      directory: current,
    });
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    symlinkSync('two', join(folder, 'next'));
    renameSync(join(folder, 'next'), current);
    const { second } = await replace(program, first);
    assert.equal(second.beginning.directory, join(folder, 'two'));
  });

  it('resolves the script again as it was given, behind a replaced symbolic link', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules', 'zerodown'));
    for (const release of ['one', 'two']) {
      mkdirSync(join(folder, release));
      copyFileSync(fixture('upgradable.js'), join(folder, release, 'server.mjs'));
    }
    const current = join(folder, 'current');
    symlinkSync('one', current);
    const start = { script: 'server.mjs', environment: { PWD: current }, directory: current };
    const program = await startProgram(t, start);
    const first = await program.next();
    assert.equal(first.beginning.argv[1], join(folder, 'one', 'server.mjs'));
    await createUpgraderIn(first);
    await becomeReady(first);
    symlinkSync('two', join(folder, 'next'));
    renameSync(join(folder, 'next'), current);
    const { second } = await replace(program, first);
    assert.equal(second.beginning.argv[1], join(folder, 'two', 'server.mjs'));
  });

  it('does not pass its marker to other children', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    await serveIn(first);
    const { second } = await replace(program, first);
    const names = await second.run(({ modules }) =>
      modules.child_process
        .execFileSync('env', { encoding: 'latin1' })
        .split('\n')
        .map((line) => line.split('=')[0]),
    );
    assert.ok(names.includes('CONTROL'));
    assert.deepEqual(
      names.filter((name) => name?.includes('ZERODOWN_UPGRADE')),
      [],
    );
    // Neither do the descriptors: the channel to the first process, and the sockets from it.
    const { own, child } = await second.run(({ modules }) => ({
      own: [3, 4].map((fd) => modules.fs.readlinkSync(`/proc/self/fd/${fd}`)),
      child: modules.child_process.execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'latin1' }),
    }));
    for (const name of own) {
      assert.match(name, /^socket:/);
      assert.equal(child.includes(name), false, `${name} in ${child}`);
    }
  });

  it(
    'has a probation in which both serve, and the old process continues when the new one dies',
    DEADLINE,
    async (t) => {
      const program = await startProgram(t);
      const first = await program.next();
      const pidFile = join(program.folder, 'app.pid');
      await createUpgraderIn(first, { pidFile, probationMs: 60_000 });
      const address = await serveIn(first);
      const upgraded = upgradeIn(first);
      upgraded.catch(() => undefined);
      const second = await program.next();
      await createUpgraderIn(second, { pidFile });
      await listenIn(second);
      const ready = becomeReady(second);
      ready.catch(() => undefined);
      // Both accept from one queue, so each of them gets a connection eventually.
      const seen = new Set<number>();
      while (seen.size < 2) seen.add(await whoAnswers(address));
      assert.deepEqual(seen, new Set([first.pid, second.pid]));
      // It may not start a third one now, and signals still go to the old one.
      await assert.rejects(upgradeIn(second), failsWith('PARENT_ALIVE'));
      assert.equal(readFileSync(pidFile, 'latin1'), `${first.pid}\n`);
      second.kill();
      await assert.rejects(upgraded, failsWith('CHILD_EXITED', /ended with SIGKILL/));
      assert.equal(await whoAnswers(address), first.pid);
      assert.equal(readFileSync(pidFile, 'latin1'), `${first.pid}\n`);
      // The next attempt succeeds.
      const again = upgradeIn(first, { probationMs: 10 });
      const third = await program.next();
      await createUpgraderIn(third, { pidFile });
      await serveIn(third);
      const { durations, pid } = await again;
      assert.equal(pid, third.pid);
      assert.ok(durations.probationMs >= 9, JSON.stringify(durations));
      assert.equal(readFileSync(pidFile, 'latin1'), `${third.pid}\n`);
    },
  );

  it('asks a new process on probation to stop when the old one is stopped', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first, { probationMs: 60_000 });
    await serveIn(first);
    const upgraded = upgradeIn(first);
    upgraded.catch(() => undefined);
    const second = await program.next();
    await createUpgraderIn(second);
    await listenIn(second);
    const hasParent = second.run(
      ({ upgrader }) => new Promise((resolve) => process.once('SIGTERM', () => resolve(upgrader.hasParent))),
    );
    const ready = becomeReady(second);
    ready.catch(() => undefined);
    await second.run(() => 'what was written before this has left');
    await first.run(({ upgrader }) => upgrader.stop());
    assert.equal(await hasParent, true);
    second.exit(0);
    await assert.rejects(upgraded, failsWith('STOPPED'));
  });

  it(
    'waits until the previous process accepts nothing any more, however long that drains',
    DEADLINE,
    async (t) => {
      const program = await startProgram(t);
      const first = await program.next();
      await createUpgraderIn(first);
      const address = await serveIn(first);
      // A connection that keeps the first process draining until the end of the test.
      const held = connect(Number(address.split(':')[1]), '127.0.0.1');
      t.after(() => held.destroy());
      await once(held, 'connect');
      const one = await replace(program, first);
      await serveIn(one.second);
      await one.upgraded;
      // Refused at the deadline while the first process accepts, and only then.
      const early = upgradeIn(one.second, { timeoutMs: 50 });
      await assert.rejects(early, failsWith('PARENT_ALIVE', /still accepts after 50ms/));
      const waiting = upgradeIn(one.second);
      await assert.rejects(upgradeIn(one.second), failsWith('IN_PROGRESS'));
      assert.equal(program.all.length, 2);
      const drained = first.run(async ({ library, servers }) => {
        const { drain } = library;
        if (servers.http !== undefined) await drain(servers.http, { timeoutMs: 60_000 });
      });
      drained.catch(() => undefined);
      const third = await program.next();
      await createUpgraderIn(third);
      assert.equal(await serveIn(third), address);
      assert.equal((await waiting).pid, third.pid);
      // Three at once: one serves, two have released their sockets.
      await one.second.run(({ servers }) => void servers.http?.close());
      assert.equal(await whoAnswers(address), third.pid);
      await first.run(() => 'it is still there');
    },
  );

  it('reports the taken sockets, and the result of the drain', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    const address = await serveIn(first);
    const kept = new HttpConnection(parseTarget(address));
    t.after(() => kept.close());
    await kept.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 10_000);
    const { upgraded, second } = await replace(program, first);
    await serveIn(second);
    const { durations } = await upgraded;
    const { waitedMs, startMs, readyMs, probationMs, totalMs } = durations;
    assert.ok(startMs > 0 && readyMs > 0, JSON.stringify(durations));
    assert.ok(
      Math.abs(waitedMs + startMs + readyMs + probationMs - totalMs) < 1000,
      JSON.stringify(durations),
    );
    const drained = await first.run(async ({ library, servers, kept: { drained } }) => {
      if (servers.http !== undefined) await library.drain(servers.http, { timeoutMs: 10_000, idleMs: 0 });
      return drained;
    });
    const { connections, finished, closedIdle, cut } = drained;
    assert.deepEqual([connections, finished, closedIdle, cut], [1, 0, 1, 0]);
  });

  it('reports a listener that was opened without it before it starts a process', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    const address = await serveIn(first);
    const port = await first.run(async ({ modules, kept }) => {
      // Any free port conflicts with nothing. The same port again does.
      const any = modules.net.createServer();
      await new Promise<void>((resolve) => any.listen(0, '127.0.0.1', resolve));
      const { port: free } = any.address() as { port: number };
      await new Promise((resolve) => any.close(resolve));
      kept.foreign = modules.net.createServer();
      await new Promise<void>((resolve) => kept.foreign.listen(free, '127.0.0.1', resolve));
      kept.anyPort = modules.net.createServer();
      await new Promise<void>((resolve) => kept.anyPort.listen(0, '127.0.0.1', resolve));
      return free;
    });
    const named = new RegExp(`: 127\\.0\\.0\\.1:${port} was not opened by upgrader\\.listen`);
    await assert.rejects(upgradeIn(first), failsWith('NOT_SUPPORTED', named));
    assert.equal(program.all.length, 1);
    assert.equal(await whoAnswers(address), first.pid);
    await first.run(({ kept }) => void kept.foreign.close());
    const { upgraded, second } = await replace(program, first);
    await serveIn(second);
    await upgraded;
  });

  it('passes its state only to the new process', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    assert.equal(await first.run(({ upgrader }) => upgrader.state), null);
    // Close to the limit: the format itself takes 5 bytes.
    const upgraded = first.run(async ({ upgrader, kept }) => {
      kept.big = Buffer.alloc(16 * 1024 * 1024 - 100, 7);
      await upgrader.upgrade({ state: { when: new Date(5), map: new Map([['a', 1n]]), big: kept.big } });
    });
    const second = await program.next();
    await createUpgraderIn(second);
    const found = await second.run(({ upgrader }) => {
      const { when, map, big } = upgrader.state as { when: Date; map: Map<string, bigint>; big: Uint8Array };
      const whole = big.every((byte) => byte === 7);
      return [when.getTime(), String(map.get('a')), big.length, whole];
    });
    assert.deepEqual(found, [5, '1', 16 * 1024 * 1024 - 100, true]);
    await becomeReady(second);
    await upgraded;
    const { second: third } = await replace(program, second);
    assert.equal(await third.run(({ upgrader }) => upgrader.state), null);
  });

  it('starts no process for a state that cannot be passed on', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    await assert.rejects(
      first.run(({ upgrader }) => upgrader.upgrade({ state: { call: () => 1 } })),
      failsWith('INVALID_STATE', /the state cannot be passed to the new process: .* could not be cloned/),
    );
    await assert.rejects(
      first.run(({ upgrader }) => upgrader.upgrade({ state: Buffer.alloc(16 * 1024 * 1024) })),
      failsWith('INVALID_STATE', /it has 167772\d\d bytes, and at most 16777216 can be passed on/),
    );
    assert.equal(program.all.length, 1);
    const { upgraded, second } = await replace(program, first);
    await becomeReady(second);
    await upgraded;
  });

  it('is refused under a manager, with the command to use', DEADLINE, async (t) => {
    const program = await startProgram(t, { environment: { ZERO_GENERATION: '1' } });
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    await assert.rejects(
      upgradeIn(first),
      failsWith('SUPERVISED', /zero starts new versions .*: zero reload$/),
    );
  });

  it('continues if the old process is killed in the middle: the new one takes over', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    const pidFile = join(program.folder, 'app.pid');
    const path = join(program.folder, 'app.sock');
    await createUpgraderIn(first, { pidFile });
    await serveIn(first, { path });
    const upgraded = upgradeIn(first);
    upgraded.catch(() => undefined);
    const second = await program.next();
    await createUpgraderIn(second, { pidFile });
    await listenIn(second, { path });
    first.kill();
    await first.gone;
    await becomeReady(second);
    assert.equal(readFileSync(pidFile, 'latin1'), `${second.pid}\n`);
    assert.equal(existsSync(path), true);
    const next = await replace(program, second);
    await serveIn(next.second, { path });
    await next.upgraded;
  });
});
