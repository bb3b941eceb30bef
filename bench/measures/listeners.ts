import { fixture } from '../../test/support/paths.ts';
import type { Scope } from '../../test/support/temporary.ts';
import type { Zero } from '../../test/support/zero.ts';
import { pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { type Load, startLoad } from '../load/index.ts';
import { withScope } from '../scope.ts';
import { reload, supervise } from '../supervised.ts';

const LISTENERS = 256;
const CLIENTS = 8;
const THINK_MS = 5;
/** As long as a handover with its end takes, so that both halves have the same number of requests. */
const HALF_MS = 3_000;
const AT_MOST_MS = 50;
const SHARE = 0.999;

export const listeners: Measure = {
  name: 'listeners',
  about:
    'With 256 listeners and 8 clients that use all of them in turn on short connections: the 99.9th percentile of request times in three seconds with a handover, minus that of three seconds without one. The service is written in Node, drains, and takes half a second of processor time to start, which the machine spends as well.',
  measure: (run) => withScope((scope) => measureListeners(scope, run)),
};

async function measureListeners(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const zero = await supervise(scope, {
    path: process.execPath,
    args: [fixture('graceful.js')],
    listeners: LISTENERS,
    reloadUptime: 1_000,
  });
  const load = startLoad(scope, {
    ports: portsOf(zero),
    clients: CLIENTS,
    connections: 'short',
    think: THINK_MS,
  });
  await pause(HALF_MS);
  await load.take();
  const calm: number[] = [];
  const busy: number[] = [];
  for (let round = 1; round <= pairs; round += 1) {
    calm.push(await slowest(load, () => Promise.resolve()));
    busy.push(await slowest(load, () => reload(zero)));
    progress(`${round} of ${pairs}`);
  }
  await load.stop();
  const lengthened = busy.map((time, index) => time - (calm[index] ?? Number.NaN));
  return [
    {
      name: 'with 256 listeners, p99.9 of requests: what a handover adds',
      unit: 'ms',
      target: { atMost: AT_MOST_MS },
      values: lengthened,
      samples: { handover_ms: busy, calm_ms: calm },
    },
  ];
}

function portsOf(zero: Zero): number[] {
  return zero.log.all('listener_bound').map(({ address }) => Number(address.split(':').at(-1)));
}

async function slowest(load: Load, meanwhile: () => Promise<void>): Promise<number> {
  await Promise.all([meanwhile(), pause(HALF_MS)]);
  const { latencies, failed } = await load.take();
  if (failed > 0) throw new Error(`${failed} of ${latencies.length + failed} requests failed`);
  const sorted = [...latencies].sort((one, other) => one - other);
  return sorted[Math.ceil(SHARE * sorted.length) - 1] ?? Number.NaN;
}
