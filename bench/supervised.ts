import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Scope, temporaryFolder } from '../test/support/temporary.ts';
import { startZero, type Zero } from '../test/support/zero.ts';
import { environmentList, type RawConfig } from '../test/support/zero-config.ts';

/** A tmpfs(5). */
const MEMORY = '/dev/shm';

/** A service and its supervision, as the measures need them. */
export interface Supervised {
  readonly path: string;
  readonly args: readonly string[];
  /** Number of listeners on 127.0.0.1, each on its own port. Default: 1. */
  readonly listeners?: number;
  /** Milliseconds. Default: 1. */
  readonly reloadUptime?: number;
  /** The service accepts no connections, so the gate `accept` is disabled. */
  readonly accepts?: false;
  /** An old generation is asked to stop as soon as its queue is empty: for measures that do not depend on that time. */
  readonly leavesAtOnce?: true;
  /** Default: 1. */
  readonly workers?: number;
  /** Default: `info`. */
  readonly level?: 'debug';
  /** Variables of the supervisor, added to those of the bench. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Other keys of `handover`. */
  readonly handover?: Readonly<Record<string, unknown>>;
}

/**
 * zero with its defaults, including steering, except for the time that a candidate must have been up, and the settings
 * of the service.
 */
export function configOf(service: Supervised): RawConfig {
  const { path, args, listeners = 1, reloadUptime = 1, accepts = true, leavesAtOnce = false } = service;
  const { workers = 1, level = 'info', handover } = service;
  return {
    application: { logging: { level } },
    service: {
      listeners: Array.from({ length: listeners }, (_, index) => ({
        name: `listener${index}`,
        address: '127.0.0.1:0',
      })),
      runtime: { path, args, environment: environmentList({}), workers },
      options: { reload_uptime: `${reloadUptime}ms` },
      ...(accepts ? {} : { readiness: { accept: false } }),
      handover: { mode: 'auto', ...(leavesAtOnce && { settle: '0s', drain_timeout: '0s' }), ...handover },
    },
  };
}

/** Starts zero with the service and waits until the service is up. */
export async function supervise(scope: Scope, service: Supervised): Promise<Zero> {
  const { environment = {} } = service;
  const folder = temporaryFolder(scope);
  keepInMemory(scope, join(folder, 'run'));
  const zero = startZero(scope, { folder, config: configOf(service), environment });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  return zero;
}

/** The runtime directory of an installed zero is in /run, which is in memory on a machine with systemd. */
function keepInMemory(scope: Scope, directory: string): void {
  if (!existsSync(MEMORY)) return;
  const target = mkdtempSync(join(MEMORY, 'zero-'));
  scope.after(() => rmSync(target, { recursive: true, force: true }));
  symlinkSync(target, directory);
}

/** The port of its first listener. */
export async function portOf(zero: Zero): Promise<number> {
  return Number((await zero.address('listener0')).split(':').at(-1));
}

/** The port of its first listener, and the process of its first worker. */
export async function sideOf(zero: Zero): Promise<{ port: number; pid: number }> {
  const { pid } = await zero.fact('worker_spawned');
  return { port: await portOf(zero), pid };
}

/** Starts this many instances, each with the same service. */
export function superviseAll(scope: Scope, service: Supervised, count: number): Promise<Zero[]> {
  return Promise.all(Array.from({ length: count }, () => supervise(scope, service)));
}

/** Sends the signal at once, and waits until the old generation has ended. */
export async function reload(zero: Zero): Promise<void> {
  const gone = zero.fact('generation_gone', {}, zero.cursor);
  zero.signal('SIGHUP');
  await gone;
}

/** Reloads several times in sequence. */
export async function reloadTimes(zero: Zero, times: number): Promise<void> {
  for (let done = 0; done < times; done += 1) await reload(zero);
}
