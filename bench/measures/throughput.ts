import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { pause } from '../clock.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { startLoad } from '../load/index.ts';
import { withScope } from '../scope.ts';
import { supervise } from '../supervised.ts';

const AT_LEAST = 0.97;
const CLIENTS = 16;
const WARM_UP_MS = 1_000;
const MEASURED_MS = 2_000;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const throughput: Measure = {
  name: 'throughput',
  about:
    'Requests a second of one small HTTP service in Node under zero, against the same service that has bound its port itself. Sixteen clients in a process of their own, each with one request under way; two seconds after one of warming up; new processes for each half of each pair, whose order alternates.',
  measure: async (run) => [
    ...(await measureThroughput('short', run)),
    ...(await measureThroughput('keep-alive', run)),
  ],
};

type Connections = 'short' | 'keep-alive';

async function measureThroughput(connections: Connections, { pairs, progress }: Run): Promise<Figure[]> {
  const supervised: number[] = [];
  const alone: number[] = [];
  for (let round = 1; round <= pairs; round += 1) {
    const halves = [
      async () => supervised.push(await withScope((scope) => rate(scope, connections, underZero))),
      async () => alone.push(await withScope((scope) => rate(scope, connections, direct))),
    ];
    for (const half of round % 2 === 0 ? halves : halves.reverse()) await half();
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

async function rate(
  scope: Scope,
  connections: Connections,
  start: (scope: Scope) => Promise<number>,
): Promise<number> {
  const port = await start(scope);
  const load = startLoad(scope, { ports: [port], clients: CLIENTS, connections, think: 0 });
  await pause(WARM_UP_MS);
  await load.take();
  await pause(MEASURED_MS);
  const { answered, failed, seconds } = await load.take();
  await load.stop();
  if (failed > 0) throw new Error(`${failed} of ${answered + failed} requests failed`);
  return answered / seconds;
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
