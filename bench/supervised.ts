import type { Scope } from '../test/support/temporary.ts';
import { startZero, type Zero } from '../test/support/zero.ts';
import { environmentList, type RawConfig } from '../test/support/zero-config.ts';

/** A service as the measures want it supervised. */
export interface Supervised {
  readonly path: string;
  readonly args: readonly string[];
  /** How many on 127.0.0.1, each on a port of its own; 1 where it is left out. */
  readonly listeners?: number;
  /** Milliseconds; 1 where it is left out. */
  readonly reloadUptime?: number;
  /** It accepts no connections, so the gate that wants it to is left out. */
  readonly accepts?: false;
  /** An old generation is told to stop as soon as its queue is empty: for measures that are not about when that is. */
  readonly leavesAtOnce?: true;
  /** 1 where it is left out. */
  readonly workers?: number;
  /** `info` where it is left out. */
  readonly level?: 'debug';
  /** Of the supervisor, added to that of the bench. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Other keys of `handover`. */
  readonly handover?: Readonly<Record<string, unknown>>;
}

/** zero as it is by default, steering included, apart from the time that a candidate must have been up and what the service says of itself. */
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

/** Starts zero with the service and waits until that serves. */
export async function supervise(scope: Scope, service: Supervised): Promise<Zero> {
  const { environment = {} } = service;
  const zero = startZero(scope, { config: configOf(service), environment });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  return zero;
}

/** The port of its first listener. */
export async function portOf(zero: Zero): Promise<number> {
  return Number((await zero.address('listener0')).split(':').at(-1));
}

/** Where its first listener is, and the process of its first worker. */
export async function sideOf(zero: Zero): Promise<{ port: number; pid: number }> {
  const { pid } = await zero.fact('worker_spawned');
  return { port: await portOf(zero), pid };
}

/** Starts so many, each with the same service. */
export function superviseAll(scope: Scope, service: Supervised, count: number): Promise<Zero[]> {
  return Promise.all(Array.from({ length: count }, () => supervise(scope, service)));
}

/** Sends the signal at once, and waits until the old generation is gone. */
export async function reload(zero: Zero): Promise<void> {
  const gone = zero.fact('generation_gone', {}, zero.cursor);
  zero.signal('SIGHUP');
  await gone;
}

/** One reload after the other. */
export async function reloadTimes(zero: Zero, times: number): Promise<void> {
  for (let done = 0; done < times; done += 1) await reload(zero);
}
