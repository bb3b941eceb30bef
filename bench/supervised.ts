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
}

/** zero as it is by default, apart from the time that a candidate must have been up. */
export function configOf({ path, args, listeners = 1, reloadUptime = 1 }: Supervised): RawConfig {
  return {
    application: { logging: { level: 'info' } },
    service: {
      listeners: Array.from({ length: listeners }, (_, index) => ({
        name: `listener${index}`,
        address: '127.0.0.1:0',
      })),
      runtime: { path, args, environment: environmentList({}) },
      options: { reload_uptime: `${reloadUptime}ms` },
    },
  };
}

/** Starts zero with the service and waits until that serves. */
export async function supervise(scope: Scope, service: Supervised): Promise<Zero> {
  const zero = startZero(scope, { config: configOf(service) });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  return zero;
}

/** Sends the signal at once, and waits until the old generation is gone. */
export async function reload(zero: Zero): Promise<void> {
  const gone = zero.fact('generation_gone', {}, zero.cursor);
  zero.signal('SIGHUP');
  await gone;
}
