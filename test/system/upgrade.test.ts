import assert from 'node:assert/strict';
import { cpSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { installZero } from '../support/installed.ts';
import { startLoad } from '../support/load.ts';
import { NODE_MAJORS, requireNode } from '../support/nodes.ts';
import { ROOT } from '../support/paths.ts';
import { pauseAt } from '../support/paused.ts';
import { becomeReady, nextReady, startPuppetService, startServing } from '../support/puppet-service.ts';
import { keeperPid, startSurvivor } from '../support/survivor.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

const UPGRADES = 5;

/** examples/hello with two workers behind one steered listener. */
async function startHello(
  t: TestContext,
  command?: readonly [string, string],
  environment: Readonly<Record<string, string>> = {},
): Promise<Zero> {
  const zero = startZero(t, {
    ...(command && { command }),
    environment,
    config: {
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: { directory: join(ROOT, 'examples', 'hello'), path: 'server.mjs', workers: 2 },
        options: { reload_uptime: '10ms' },
        handover: { mode: 'auto' },
        restart: { backoff: { initial: '10ms', factor: 1 } },
      },
    },
  });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  return zero;
}

function upgrade(t: Scope, zero: Zero, ...args: string[]) {
  return command(t, zero, 'upgrade', ...args);
}

/** A directory with a program in place of zero. */
function installation(t: Scope, text: string): string {
  const bin = join(temporaryFolder(t), 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'zero.js'), text);
  return join(bin, 'zero.js');
}

describe('zero upgrade --all', () => {
  it('upgrades exactly the instances that its own program runs', DEADLINE, async (t) => {
    const { command: own } = installZero(t);
    // The directory with the instances of an ordinary user.
    const environment = { XDG_RUNTIME_DIR: temporaryFolder(t) };
    const start = (command?: readonly [string, string]) => startHello(t, command, environment);
    const [one, other, another] = await Promise.all([start(own), start(own), start()]);
    const { code, stdout, stderr } = await runZero(t, {
      command: own,
      args: ['upgrade', '--all'],
      environment,
    });
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(
      stdout.match(/: zero \S+ was replaced by zero \S+; the service was not touched\n/g)?.length,
      2,
    );
    for (const zero of [one, other]) await zero.fact('supervisor_recovered', { by: 'upgrade' });
    assert.deepEqual(another.log.all('supervisor_recovered'), []);
  });

  it('reports an instance that cannot be upgraded, which keeps its program', DEADLINE, async (t) => {
    const { command: own, folder } = installZero(t);
    const environment = { XDG_RUNTIME_DIR: temporaryFolder(t) };
    const zero = await startHello(t, own, environment);
    // The bundle of the supervisor. The command has another one.
    writeFileSync(join(folder, 'dist', 'upgrade-check.cjs'), 'throw new Error("broken")');
    const { code, stderr } = await runZero(t, { command: own, args: ['upgrade', '--all'], environment });
    assert.equal(code, 1);
    assert.match(stderr, /^zero upgrade: \S+: .*Error: broken/);
    assert.ok((await command(t, zero, 'reload')).stdout.includes('promoted'));
  });

  it('cannot be combined with an instance', async (t) => {
    const { code, stderr } = await runZero(t, { args: ['upgrade', '--all', '--name', 'hello'] });
    assert.deepEqual([code, stderr], [2, 'zero upgrade: --all cannot be combined with --config or --name\n']);
  });
});

describe('zero upgrade', () => {
  it('keeps the pid, the workers, the sockets and the log, without a failed request', DEADLINE, async (t) => {
    const zero = await startHello(t);
    const workers = zero.log.all('worker_spawned').map(({ pid }) => pid);
    const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
    for (let done = 1; done <= UPGRADES; done += 1) {
      load.phase(`upgrade ${done}`);
      const { cursor } = zero;
      const { code, stdout, stderr } = await upgrade(t, zero);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^zero (\S+) was replaced by zero \1; the service was not touched\n$/);
      const { by, gone } = await zero.fact('supervisor_recovered', {}, cursor);
      assert.deepEqual({ by, gone }, { by: 'upgrade', gone: 0 });
      await load.whenPhaseHas(50);
    }
    assert.deepEqual((await load.stop()).failures, {});
    assert.equal(zero.log.all('supervisor_upgrading').length, UPGRADES);
    assert.deepEqual(
      zero.log.all('worker_spawned').map(({ pid }) => pid),
      workers,
    );
    // The workers are children of the same process, so their exit status is known.
    const { cursor } = zero;
    process.kill(workers[0] ?? 0, 'SIGKILL');
    const { exit } = await zero.fact('worker_exited', {}, cursor);
    assert.deepEqual(exit, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
    await zero.fact('worker_spawned', {}, cursor);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('runs on SIGUSR2, and a later reload works as before', DEADLINE, async (t) => {
    const zero = await startHello(t);
    const load = startLoad(t, { target: await zero.address('http'), clients: 2 });
    await load.whenPhaseHas(50);
    const { cursor } = zero;
    zero.signal('SIGUSR2');
    await zero.fact('supervisor_recovered', { by: 'upgrade' }, cursor);
    load.phase('reload');
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation: 1 });
    await load.whenPhaseHas(50);
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('waits for an unready worker, and continues with the handover', DEADLINE, async (t) => {
    const { zero, puppets, reload } = await startPuppetService(t);
    await nextReady(puppets);
    await zero.fact('handover_finished', { outcome: 'promoted' });
    reload();
    const candidate = await puppets.next();
    const refused = await upgrade(t, zero, '--timeout', '300ms');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /--timeout expired: worker 0 of generation 2 is not ready/);
    const { cursor } = zero;
    zero.signal('SIGUSR2');
    await candidate.listen({ name: 'http' });
    await candidate.write(10, 'ready\n');
    await zero.fact('supervisor_recovered', { by: 'upgrade' }, cursor);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });

  it('waits for a handover that begins while a slow reader delays the upgrade', DEADLINE, async (t) => {
    const { zero, puppets, incumbent, reload } = await startServing(t);
    // More than a pipe holds (64 KiB, pipe(7)). zero waits up to a second for the reader.
    zero.process.stdout?.pause();
    await incumbent.write(1, `${'x'.repeat(99)}\n`.repeat(10_000));
    zero.signal('SIGUSR2');
    await zero.fact('supervisor_upgrading');
    reload();
    const candidate = await puppets.next();
    const { cursor } = zero;
    const [first] = await Promise.race([
      zero.fact('warning', { about: 'upgrade' }).then(({ message }) => [message]),
      zero.fact('supervisor_recovered', {}, cursor).then(({ event }) => [event]),
    ]);
    assert.equal(first, 'the upgrade waits: worker 0 of generation 2 is not ready');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    zero.process.stdout?.resume();
    await zero.fact('supervisor_recovered', { by: 'upgrade' }, cursor);
  });

  for (const signal of ['SIGHUP', 'SIGTERM'] as const) {
    it(`whose new program is ended by ${signal} while Node starts loses no request`, DEADLINE, async (t) => {
      const pause = pauseAt(t, 'upgrade');
      const { zero } = await startSurvivor(t, {}, pause);
      await keeperPid(zero);
      const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
      await load.whenPhaseHas(20);
      const { cursor } = zero;
      zero.signal('SIGUSR2');
      await pause.reached();
      zero.signal(signal);
      assert.equal((await zero.exited).signal, signal);
      const { by, gone } = await zero.fact('supervisor_recovered', {}, cursor);
      assert.deepEqual({ by, gone }, { by: 'keeper', gone: 0 });
      await load.whenPhaseHas(40);
      assert.equal((await load.stop()).failed, 0);
    });
  }

  it(
    'continues on another Node after the files of the old installation were removed',
    DEADLINE,
    async (t) => {
      const nodes = NODE_MAJORS.map((major) => requireNode(t, major));
      if (nodes.includes(null)) return;
      const folder = temporaryFolder(t);
      // Like nvm: each version of Node has its own packages.
      const installations = nodes.map((node, index) => {
        const prefix = join(folder, `v${NODE_MAJORS[index]}`);
        mkdirSync(join(prefix, 'bin'), { recursive: true });
        symlinkSync(`${node}`, join(prefix, 'bin/node'));
        for (const part of ['bin', 'dist', 'package.json'])
          cpSync(join(ROOT, part), join(prefix, 'lib/node_modules/zerodown', part), { recursive: true });
        symlinkSync(join(ROOT, 'node_modules'), join(prefix, 'lib/node_modules/zerodown/node_modules'));
        symlinkSync('../lib/node_modules/zerodown/bin/zero.js', join(prefix, 'bin/zero'));
        return prefix;
      });
      const [first = '', ...others] = installations;
      const zero = await startHello(t, [join(first, 'bin/node'), join(first, 'bin/zero')]);
      const load = startLoad(t, { target: await zero.address('http'), clients: 2 });
      let old = first;
      for (const prefix of others) {
        rmSync(old, { recursive: true });
        const { code, stderr } = await upgrade(t, zero, join(prefix, 'bin/zero'));
        assert.equal(code, 0, stderr);
        const node = realpathSync(`/proc/${zero.pid}/exe`);
        assert.equal(node, realpathSync(join(prefix, 'bin/node')));
        old = prefix;
      }
      await load.whenPhaseHas(50);
      assert.equal((await load.stop()).failed, 0);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    },
  );

  it('reports that zero was killed meanwhile and started again', DEADLINE, async (t) => {
    const pause = pauseAt(t, 'upgrade');
    const { zero } = await startSurvivor(t, {}, pause);
    await keeperPid(zero);
    const upgrading = startCommand(t, zero, ['upgrade']);
    await pause.reached();
    zero.signal('SIGKILL');
    const { code, stderr } = await upgrading.finished;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^zero upgrade: zero was killed during the upgrade, and zero \S+ was started in its place\. Check the log of zero\.\n$/,
    );
  });

  it('lets commands wait for the new program', DEADLINE, async (t) => {
    const pause = pauseAt(t, 'upgrade');
    const zero = await startHello(t, undefined, pause.environment);
    const { cursor } = zero;
    zero.signal('SIGUSR2');
    await pause.reached();
    // Takes 2 s.
    const { stdout } = await command(t, null, 'list', '--json');
    const { instances }: { instances: { pid: number; state: string; problem: string }[] } =
      JSON.parse(stdout);
    const listed = instances.find(({ pid }) => pid === zero.pid);
    assert.deepEqual(listed?.state, 'not_answering');
    assert.match(listed.problem, /has not answered within 2 s/);
    const commands = [['status'], ['reload', '--no-wait']].map((args) => {
      const beforeConnect = pauseAt(t, 'connect');
      return { beforeConnect, started: startCommand(t, zero, args, beforeConnect.environment) };
    });
    // They wait for at most 10 s, from their first attempt on.
    for (const { beforeConnect } of commands) await beforeConnect.reached();
    for (const { beforeConnect } of commands) await beforeConnect.end();
    await pause.end();
    const [status, reload] = await Promise.all(commands.map(({ started }) => started.finished));
    assert.deepEqual([status?.code, status?.stderr], [0, '']);
    assert.equal(reload?.code, 13, reload?.stderr);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' }, cursor);
  });

  const BROKEN: readonly [string, string, RegExp][] = [
    ['a syntax error', 'this is no program', /`upgrade --check` exited with 1: .*SyntaxError/],
    ['a program that exits', 'process.exit(0)', /`upgrade --check` exited with 0 and gave no result/],
    ['an older zero', 'console.error("unknown command upgrade"); process.exit(2)', /exited with 2: unknown/],
    [
      'a zero that cannot read the state',
      'console.log(JSON.stringify({ zero: "9.9.9", node: "v1", problem: "the state has version 3" }));',
      /the state has version 3/,
    ],
  ];
  it('is refused for a broken installation, and the service is unaffected', DEADLINE, async (t) => {
    const zero = await startHello(t);
    const { cursor } = zero;
    for (const [name, text, message] of BROKEN) {
      const { code, stderr } = await upgrade(t, zero, installation(t, text));
      assert.equal(code, 1, name);
      assert.match(stderr, message);
    }
    const missing = await upgrade(t, zero, '/nonexistent/zero.js');
    assert.deepEqual(
      [missing.code, missing.stderr],
      [1, 'zero upgrade: /nonexistent/zero.js does not exist.\n'],
    );
    assert.equal(zero.log.all('error', { step: 'upgrade' }, cursor).length, BROKEN.length + 1);
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation: 1 });
  });
});
