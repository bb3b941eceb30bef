import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { findProgram } from '../support/debian.ts';
import { FactLog } from '../support/fact-log.ts';
import { freeAddress } from '../support/free-address.ts';
import { guardProcesses } from '../support/guard.ts';
import { startLoad } from '../support/load.ts';
import { ROOT, ZERO_COMMAND } from '../support/paths.ts';
import { childrenOf } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero } from '../support/zero.ts';
import { type RawConfig, writeConfig } from '../support/zero-config.ts';

const NAMESPACE = ['--pid', '--mount', '--fork', '--mount-proc', '--kill-child'];

/** Exits with 42 on SIGUSR1, and with 0 on SIGTERM. It is ready when it has its handler. */
const SIGNALLED =
  "process.on('SIGUSR1', () => process.exit(42)); setInterval(() => {}, 1000); require('node:fs').writeSync(10, 'up\\n');";

interface Container {
  readonly folder: string;
  readonly config: string;
  readonly log: FactLog;
  /** Sends a signal to process 1 of the container from outside, as a container engine does. */
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
}

/** Runs zero as process 1 of a PID namespace; null if such a namespace cannot be created here. */
function startContainer(t: TestContext, folder: string, config: RawConfig): Container | null {
  const unshare = findProgram('unshare') ?? 'unshare';
  if (spawnSync(unshare, [...NAMESPACE, 'true']).status !== 0) {
    t.skip('needs a PID namespace of its own: unshare(1), and the rights of root');
    return null;
  }
  const guard = guardProcesses(t);
  const file = writeConfig(folder, config);
  // Not startZero: the pids in the log belong to the namespace, and are other processes here.
  const child = spawn(unshare, [...NAMESPACE, ...ZERO_COMMAND, '--config', file], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const { pid } = child;
  assert.ok(pid !== undefined);
  guard.own(pid);
  const log = new FactLog();
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = `${text}${chunk}`.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) log.line(line);
  });
  const exited = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      log.close(`zero exited with ${code}`);
      resolve(code);
    }),
  );
  const signal = (name: NodeJS.Signals) => {
    const [first] = childrenOf(pid, 'node');
    assert.ok(first !== undefined);
    process.kill(first, name);
  };
  return { folder, config: file, log, signal, exited };
}

describe('process 1 of a container', () => {
  it(
    'runs the config of examples/container, reloads without a lost request, and stops on SIGTERM',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const address = await freeAddress();
      const example: RawConfig = parse(
        readFileSync(join(ROOT, 'examples', 'container', 'zero.yaml'), 'utf8'),
      );
      const { listeners = [], runtime, ...sections } = example.service;
      const container = startContainer(t, folder, {
        service: {
          ...sections,
          listeners: listeners.map((listener) => ({ ...listener, address })),
          runtime: { ...runtime, directory: join(ROOT, 'examples', 'hello') },
          handover: {},
        },
      });
      if (container === null) return;
      const { log, config } = container;
      assert.equal((await log.fact('supervisor_started')).pid, 1);
      await log.fact('generation_promoted', { generation: 1 });
      const load = startLoad(t, { target: address, clients: 4 });
      await load.whenPhaseHas(50);
      load.phase('reload');
      const reload = await runZero(t, { folder, args: ['reload', '--config', config] });
      assert.equal(reload.code, 0, reload.stderr);
      await load.whenPhaseHas(50);
      assert.deepEqual((await load.stop()).failures, {});
      container.signal('SIGTERM');
      assert.equal(await container.exited, 0, log.text);
    },
  );

  it('forwards signals and exits with the exit code of the service', DEADLINE, async (t) => {
    const container = startContainer(t, temporaryFolder(t), {
      service: {
        runtime: { path: process.execPath, args: ['-e', SIGNALLED], forward_signals: ['SIGUSR1'] },
        options: { reload_uptime: '0s' },
        readiness: { ready_fd: 10 },
        restart: { policy: 'never' },
      },
    });
    if (container === null) return;
    await container.log.fact('generation_promoted', { generation: 1 });
    container.signal('SIGUSR1');
    assert.equal(await container.exited, 42, container.log.text);
  });
});
