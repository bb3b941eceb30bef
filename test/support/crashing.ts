import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { httpGet } from './http-get.ts';
import { fixture } from './paths.ts';
import { sendSignal } from './send-signal.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import { startZero, type Zero } from './zero.ts';
import { environmentList } from './zero-config.ts';

/** A service that exits right after each start while it is broken, and otherwise serves. */
export interface Crashing {
  readonly zero: Zero;
  readonly address: string;
  readonly dataDirectory: string;
  /** Kills the worker. The service then exits this many times in a row and serves again. Resolves when it serves. */
  crash(times: number): Promise<void>;
}

/** Starts the service with a restart delay of 1 ms. */
export async function startCrashing(
  scope: Scope,
  hooks: Readonly<Record<string, unknown>> = {},
): Promise<Crashing> {
  const folder = temporaryFolder(scope);
  const [good, dataDirectory] = [join(folder, 'good'), join(folder, 'data')];
  writeFileSync(good, '');
  const program = `[ -e ${good} ] && exec ${process.execPath} ${fixture('abrupt.js')}; exit 3`;
  const zero = startZero(scope, {
    folder,
    config: {
      application: { data_directory: dataDirectory },
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: { path: '/bin/sh', args: ['-c', program], environment: environmentList({}) },
        options: { reload_uptime: '0s' },
        restart: { backoff: { initial: '1ms', factor: 1 } },
        hooks,
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  const running = (): number => zero.log.all('worker_spawned').at(-1)?.pid ?? 0;
  const address = await zero.address('http');
  return {
    zero,
    address,
    dataDirectory,
    async crash(times) {
      rmSync(good);
      const from = zero.cursor;
      // A broken start may count as ready before it exits.
      while (!sendSignal(running(), 'SIGKILL')) await zero.fact('worker_spawned', {}, zero.cursor);
      // The killed worker counts as the first crash.
      for (let exits = 0, at = from; exits < times; exits += 1) {
        const exited = await zero.fact('worker_exited', {}, at);
        at = zero.log.facts.indexOf(exited, at) + 1;
      }
      writeFileSync(good, '');
      // Not worker_ready: the start that finds the file may have been reported before the file existed.
      await httpGet(address, '/');
    },
  };
}
