import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { type Connections, compareInPairs, HOW, PINNED, type Side } from '../side-by-side.ts';
import { sideOf, supervise } from '../supervised.ts';

const AT_LEAST = 0.97;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const throughput: Measure = {
  name: 'throughput',
  about: `Requests per second of a small HTTP service in Node under zero, compared with the same service on a port that it has bound itself. ${HOW} ${PINNED}`,
  measure: async (run) => [
    ...(await measureThroughput('short', run)),
    ...(await measureThroughput('keep-alive', run)),
  ],
};

async function measureThroughput(connections: Connections, run: Run): Promise<Figure[]> {
  const [supervised, alone] = await compareInPairs(run, underZero, direct, connections);
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

async function underZero(scope: Scope): Promise<Side> {
  return sideOf(await supervise(scope, { path: process.execPath, args: [SERVICE, '--fd', '3'] }));
}

async function direct(scope: Scope): Promise<Side> {
  // Starts it as zero does: with the same environment and in its own session, which the scheduler treats as one group
  // (sched(7), autogroup).
  const environment = Object.fromEntries(environmentList({}).map(({ key, value }) => [key, value]));
  const service = spawn(process.execPath, [SERVICE], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: environment,
    detached: true,
  });
  scope.after(() => void service.kill('SIGKILL'));
  const [line] = (await once(service.stdout, 'data')) as [Buffer];
  if (service.pid === undefined) throw new Error('the service did not start');
  return { port: Number(line.toString()), pid: service.pid };
}
