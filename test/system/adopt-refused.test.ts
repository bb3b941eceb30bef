import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parseConfig } from '../../src/config/index.ts';
import { ListenerSet } from '../../src/listeners/listener-set.ts';
import { serviceOf } from '../../src/supervisor/adoption/take-service.ts';
import type { Generations } from '../../src/supervisor/run/generations.ts';
import type { Prepared } from '../../src/supervisor/run/prepare.ts';
import { adopt, configFor, node } from '../support/adoption.ts';
import { command } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { guardProcesses } from '../support/guard.ts';
import { installZero } from '../support/installed.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, requireRoot, sharedFolder, withoutTracing } from '../support/privileges.ts';
import { childrenOf, isRunning } from '../support/processes.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { type RunningService, startByHand, whenAnswering } from '../support/running-service.ts';
import { keeperPid } from '../support/survivor.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, type ZeroOptions } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

describe('zero adopt refuses', () => {
  it('a process that has exited', DEADLINE, async (t) => {
    const child = spawn('true');
    await once(child, 'exit');
    await refuses(
      t,
      child.pid,
      /it does not exist or has exited\. Find the process that listens with: ss -tlnp/,
    );
  });

  it('a pid that is not a number', DEADLINE, async (t) => {
    const { code, stderr } = await runZero(t, { args: ['adopt', '--pid', '-1', '--', 'node', 'x.js'] });
    assert.equal(code, 2);
    assert.match(stderr, /--pid -1: must be a process id, such as 4711/);
  });

  it('a command line without a config or a command', DEADLINE, async (t) => {
    const { code, stderr } = await runZero(t, { args: ['adopt', '--pid', '1'] });
    assert.equal(code, 2);
    assert.match(stderr, /zero\.yaml does not exist\. Pass --config FILE.*zero adopt --pid 1 -- CMD/);
  });

  it('zero itself, its keeper, and a process of another zero', DEADLINE, async (t) => {
    const { running, config } = await service(t);
    const zero = await adopt(t, running.pid, config);
    const environment = { TMPDIR: zero.folder };
    // The state and the control socket exist at that time.
    const keeper = await keeperPid(zero);
    const known = await command(t, zero, 'status');
    assert.equal(known.code, 0, known.stderr);
    await refuses(t, zero.pid, /it is zero itself \(instance test\)/, { environment });
    await refuses(t, keeper, /it is zero itself \(instance test\)/, { environment });
    const managed = /zero manages it already \(instance test\)\. See: zero status --name test/;
    await refuses(t, running.pid, managed, { environment });
    assert.ok(isRunning(running.known));
  });

  it('a process in another network namespace', DEADLINE, async (t) => {
    if (!requireRoot(t, 'makes a network namespace')) return;
    const child = await sleeping(t, ['unshare', '--net']);
    await refuses(t, child, /it is in another network namespace.*nsenter --target \d+ --net zero adopt/);
  });

  it('the first process of a container, whose exit would end zero', DEADLINE, async (t) => {
    if (!requireRoot(t, 'makes a process namespace')) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const command = ['unshare', '--pid', '--fork', '--mount-proc', ...program.command];
    const { pid } = await startByHand(t, command, address, program);
    const [first = 0] = childrenOf(pid, 'node');
    const inside = ['nsenter', '--target', String(first), '--pid', '--mount', ...ZERO_COMMAND];
    await refuses(t, 1, /it is the first process of its container or machine, and zero would end with it/, {
      command: inside as [string, ...string[]],
    });
    assert.equal((await whoAnswers(address)).generation, 0);
  });

  it('a service that has started zero, whose exit would end zero', DEADLINE, async (t) => {
    const address = await freeAddress();
    const [host, port] = address.split(':');
    const service = `
      const [, program, ...args] = process.argv;
      require('node:http').createServer((_, response) => response.end('{}')).listen(${port}, '${host}', () => {
        const words = [...args, '--pid', String(process.pid), '--', 'true'];
        require('node:child_process')
          .spawn(program, words, { stdio: 'inherit' })
          .once('exit', (code) => process.exit(code));
      });`;
    const command = [process.execPath, '-e', service, ...ZERO_COMMAND] as const;
    const { code, stderr } = await runZero(t, { command: [...command], args: ['adopt'] });
    assert.match(stderr, /^zero: cannot adopt process (\d+): zero was started by it \(process \1\)/m);
    assert.equal(code, 1);
  });

  it('a process without a listening socket', DEADLINE, async (t) => {
    await refuses(t, await sleeping(t), /it has no listening TCP or Unix stream socket/);
  });

  it('a process whose child holds the socket, and reports that child', DEADLINE, async (t) => {
    const address = await freeAddress();
    const program = node(t, address);
    const wrapper = ['sh', '-c', '"$@" & wait', 'sh', ...(program?.command ?? [])];
    const { pid } = await startByHand(t, wrapper, address, program ?? {});
    await refuses(
      t,
      pid,
      /it has no listening socket, but its child process (\d+) \(.*\) has one\. Pass that pid: --pid \1/,
    );
  });

  it("another user's process, for an ordinary user", DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const { running } = await service(t);
    const nobody = account('nobody');
    const folder = sharedFolder(t);
    chownSync(folder, nobody.uid, nobody.gid);
    const program = [...asAccount(nobody), ...installZero(t).command] as [string, ...string[]];
    const answer = /this user may not take its sockets\. It belongs to root\. Run "zero adopt" as root/;
    await refuses(t, running.pid, answer, { command: program, folder });
    await untouched(running);
  });

  it('without the permission to trace the process, and reports how to get it', DEADLINE, async (t) => {
    if (requireProgram(t, 'perl', 'perl') === null) return;
    const { running } = await service(t);
    const program = [...withoutTracing(), ...installZero(t).command] as [string, ...string[]];
    const answer =
      /this user may not take its sockets\. (root needs the capability CAP_SYS_PTRACE|kernel\.yama|The process is protected)/;
    await refuses(t, running.pid, answer, { command: program });
    await untouched(running);
  });

  it('listeners without a socket of the process', DEADLINE, async (t) => {
    const { running, config, address } = await service(t);
    const other = await freeAddress();
    const listeners = [
      { name: 'http', address },
      { name: 'other', address: other },
    ];
    const wanted = { service: { ...config.service, listeners } };
    const answer = new RegExp(`The process does not listen on ${other}, the address of listener other\\.$`);
    await refuses(t, running.pid, answer, { config: wanted });
    await untouched(running);
  });

  it('a listener for another address of the same port', DEADLINE, async (t) => {
    const { running, config, address } = await service(t);
    const port = address.split(':')[1];
    const listeners = [{ name: 'http', address: `:${port}` }];
    const answer = new RegExp(`On this port it listens on ${address}: write address: '${address}'`);
    await refuses(t, running.pid, answer, { config: { service: { ...config.service, listeners } } });
    await untouched(running);
  });

  it('sockets without a listener', DEADLINE, async (t) => {
    const { running, config, address } = await service(t);
    const answer = new RegExp(`The process also listens on ${address}\\. Add the listener "- { name: port`);
    await refuses(t, running.pid, answer, {
      config: { service: { runtime: config.service.runtime, listeners: [] } },
    });
    await untouched(running);
  });

  it('a config whose program does not exist', DEADLINE, async (t) => {
    const { running, config } = await service(t);
    const runtime = { path: '/does/not/exist' };
    const wanted = { service: { ...config.service, runtime } };
    await refuses(t, running.pid, /cannot adopt process \d+: .*\/does\/not\/exist/, { config: wanted });
    await untouched(running);
  });

  it('to continue after a stop request, and leaves the service running', DEADLINE, async (t) => {
    const { running, config } = await service(t);
    // Ctrl-C as soon as zero has a handler for it.
    const early = join(temporaryFolder(t), 'early.cjs');
    writeFileSync(
      early,
      `process.on('newListener', (name) => {
        if (name === 'SIGINT') process.nextTick(() => process.kill(process.pid, 'SIGINT'));
      });`,
    );
    const environment = { NODE_OPTIONS: `--require=${early}` };
    await refuses(t, running.pid, /zero was stopped \(SIGINT\)$/, { config, environment });
    await untouched(running);
  });

  it('a second supervisor of the same instance', DEADLINE, async (t) => {
    const { running, config } = await service(t);
    const zero = await adopt(t, running.pid, config);
    const { code, stderr } = await runZero(t, {
      folder: zero.folder,
      args: ['adopt', '--pid', String(running.pid)],
      config,
    });
    assert.equal(code, 1, stderr);
    await untouched(running);
  });
});

const UNUSED: RawConfig = { service: { runtime: { path: process.execPath, name: 'unused' } } };

/** Asserts that zero prints one line with the reason and exits with 1. */
async function refuses(
  t: TestContext,
  pid: number | undefined,
  answer: RegExp,
  { config = UNUSED, ...options }: ZeroOptions = {},
): Promise<void> {
  const { code, stderr } = await runZero(t, { ...options, config, args: ['adopt', '--pid', String(pid)] });
  const lines = stderr.split('\n').filter((line) => line.startsWith('zero: '));
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0] ?? '', answer);
  assert.ok(lines[0]?.startsWith(`zero: cannot adopt process ${pid}: `), stderr);
  assert.equal(code, 1);
}

interface Service {
  readonly running: RunningService;
  readonly config: RawConfig;
  readonly address: string;
}

const ADDRESSES = new WeakMap<RunningService, string>();

async function service(t: TestContext): Promise<Service> {
  const address = await freeAddress();
  const program = node(t, address);
  assert.ok(program);
  const running = await startByHand(t, program.command, address, program);
  ADDRESSES.set(running, address);
  return { running, config: configFor(program), address };
}

/** Asserts that the service itself still answers. */
async function untouched(running: RunningService): Promise<void> {
  for (let request = 0; request < 20; request += 1) {
    const { pid } = await whoAnswers(ADDRESSES.get(running) ?? '');
    assert.equal(pid, running.pid);
  }
}

/** Resolves when the program in front has executed the shell. */
async function sleeping(t: TestContext, before: readonly string[] = []): Promise<number> {
  const [program = '', ...args] = [...before, 'sh', '-c', 'echo; exec sleep 60'];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.pid !== undefined);
  guardProcesses(t).own(child.pid);
  await once(child.stdout, 'data');
  return child.pid;
}

describe('a service that changes during its adoption', () => {
  it('is refused if the process exits', DEADLINE, async (t) => {
    const { running, config } = await service(t);
    await assert.rejects(
      takeWhile(running, config, async () => {
        running.process.kill('SIGKILL');
        await running.exited;
      }),
      { name: 'Error', message: `cannot adopt process ${running.pid}: it exited while it was being adopted` },
    );
  });

  it('is refused if the process closes its socket, and keeps running', DEADLINE, async (t) => {
    const address = await freeAddress();
    const [host, port] = address.split(':');
    const program = `
      const { createServer } = require('node:http');
      const server = createServer((request, response) => response.end('{}')).listen(${port}, '${host}');
      process.on('SIGUSR2', () => server.close(() => console.log('closed')));
      setInterval(() => {}, 60_000);`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(child.pid !== undefined);
    const known = guardProcesses(t).own(child.pid);
    await whenAnswering(address);
    const { config } = await service(t);
    const listeners = [{ name: 'http', address }];
    const wanted = { service: { runtime: config.service.runtime, listeners } };
    await assert.rejects(
      takeWhile({ pid: child.pid }, wanted, async () => {
        child.kill('SIGUSR2');
        await once(child.stdout, 'data');
      }),
      new RegExp(
        `it closed its socket on ${address} while it was being adopted\\. Try again once it listens`,
      ),
    );
    assert.ok(known !== null && isRunning(known));
  });
});

/**
 * Adopts a service up to the last check. `happens` runs right before it. Asserts that zero closes every descriptor that
 * it opened.
 */
async function takeWhile(
  { pid }: Pick<RunningService, 'pid'>,
  raw: RawConfig,
  happens: () => Promise<void>,
): Promise<void> {
  const parsed = parseConfig(JSON.stringify(raw), 'zero.yaml');
  assert.ok('config' in parsed);
  const { config } = parsed;
  const listeners = new ListenerSet();
  const prepared = { config, settings: {}, close: () => {} } as unknown as Prepared;
  const taken = await serviceOf(
    pid,
    'zero.yaml',
  )({
    config,
    listeners,
    prepare: async () => prepared,
    stopped: new AbortController().signal,
  });
  await happens();
  const generations = { adopt: () => ({ found: 'running' }), release: () => {} } as unknown as Generations;
  try {
    taken.adopt(1, generations);
  } finally {
    assert.deepEqual(listeners.snapshot(), []);
  }
}
