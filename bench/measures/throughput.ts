import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { pause } from '../clock.ts';
import { type Figure, type Measure, median, type Run, ratios } from '../figures.ts';
import { startLoad } from '../load/index.ts';
import type { LoadOptions } from '../load/protocol.ts';
import { withScope } from '../scope.ts';
import { supervise } from '../supervised.ts';

const AT_LEAST = 0.97;
const CLIENTS = 16;
const WARM_UP_MS = 1_000;
const SETTLE_MS = 100;
const WINDOW_MS = 500;
const WINDOWS = 8;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const throughput: Measure = {
  name: 'throughput',
  about:
    'Requests a second of one small HTTP service in Node under zero, against the same service that has bound its port itself. Sixteen clients in a process of their own, each with one request under way, ask the one and the other in turns of half a second, four each; new processes for each pair.',
  measure: async (run) => [
    ...(await measureThroughput('short', run)),
    ...(await measureThroughput('keep-alive', run)),
  ],
};

type Connections = LoadOptions['connections'];

async function measureThroughput(connections: Connections, { pairs, progress }: Run): Promise<Figure[]> {
  const supervised: number[] = [];
  const alone: number[] = [];
  for (let round = 1; round <= pairs; round += 1) {
    const [zero, direct] = await withScope((scope) => measurePair(scope, connections));
    supervised.push(zero);
    alone.push(direct);
    progress(`${connections} ${round} of ${pairs}`);
  }
  return [
    {
      name: `requests a second, ${connections} connections`,
      unit: 'x direct',
      target: { atLeast: AT_LEAST },
      values: ratios(supervised, alone),
      samples: { under_zero: supervised, direct: alone },
    },
  ];
}

async function measurePair(scope: Scope, connections: Connections): Promise<[zero: number, direct: number]> {
  const side = (port: number) => ({
    options: { ports: [port], clients: CLIENTS, connections, think: 0 },
    rates: [] as number[],
  });
  const zero = side(await underZero(scope));
  const alone = side(await direct(scope));
  const load = startLoad(scope, zero.options);
  await pause(WARM_UP_MS);
  load.change(alone.options);
  await pause(WARM_UP_MS);
  // Zero, direct, direct, zero: what changes slowly changes both.
  for (let window = 0; window < WINDOWS; window += 1) {
    const asked = window % 4 === 0 || window % 4 === 3 ? zero : alone;
    load.change(asked.options);
    await pause(SETTLE_MS);
    await load.take();
    await pause(WINDOW_MS);
    const { answered, failed, seconds } = await load.take();
    if (failed > 0) throw new Error(`${failed} of ${answered + failed} requests failed`);
    asked.rates.push(answered / seconds);
  }
  return [median(zero.rates), median(alone.rates)];
}

async function underZero(scope: Scope): Promise<number> {
  const zero = await supervise(scope, { path: process.execPath, args: [SERVICE, '--fd', '3'] });
  return Number((await zero.address('listener0')).split(':').at(-1));
}

async function direct(scope: Scope): Promise<number> {
  // As zero starts it: the same environment, and a session of its own, which the scheduler shares processors by (sched(7), autogroup).
  const environment = Object.fromEntries(environmentList({}).map(({ key, value }) => [key, value]));
  const service = spawn(process.execPath, [SERVICE], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: environment,
    detached: true,
  });
  scope.after(() => void service.kill('SIGKILL'));
  const [line] = (await once(service.stdout, 'data')) as [Buffer];
  return Number(line.toString());
}
