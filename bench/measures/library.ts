import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from '../../test/support/paths.ts';
import type { Scope } from '../../test/support/temporary.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { now, pause } from '../clock.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { compareInPairs, HOW, type LoneSide, PINNED } from '../side-by-side.ts';

const SERVICE = join(ROOT, 'bench', 'library-service.js');
/** Time after which a started service is at rest. */
const REST_MS = 250;
const AT_MOST_MS = 15;
const AT_MOST_MB = 3;
const AT_LEAST = 0.98;

export const library: Measure = {
  name: 'library',
  about: `A small HTTP service with the library (createUpgrader, listen, ready) that does not upgrade, compared with the same service without the library: the time from its spawn until it listens, its private memory (Private_Dirty) a quarter of a second later, and requests per second on keep-alive connections. ${HOW} ${PINNED}`,
  measure: async (run) => [...(await measureStart(run)), await measureRequests(run)],
};

interface Start extends LoneSide {
  readonly ms: number;
  readonly mb: number;
}

async function measureStart({ pairs, progress }: Run): Promise<Figure[]> {
  const without: Start[] = [];
  const loaded: Start[] = [];
  // The first round fills the page cache.
  for (let round = 0; round <= pairs; round += 1) {
    const [bare, one] = await withScope(async (scope) => [
      await start(scope, []),
      await start(scope, ['--library']),
    ]);
    if (round === 0 || bare === undefined || one === undefined) continue;
    without.push(bare);
    loaded.push(one);
    progress(`start ${round} of ${pairs}`);
  }
  const more = (field: 'ms' | 'mb'): number[] =>
    loaded.map((one, index) => one[field] - (without[index]?.[field] ?? Number.NaN));
  return [
    {
      name: 'start of a service, more with the library',
      unit: 'ms',
      target: { atMost: AT_MOST_MS },
      values: more('ms'),
      samples: { with_ms: loaded.map(({ ms }) => ms), without_ms: without.map(({ ms }) => ms) },
    },
    {
      name: 'private dirty memory of a service, more with the library',
      unit: 'MB',
      target: { atMost: AT_MOST_MB },
      values: more('mb'),
      samples: { with_mb: loaded.map(({ mb }) => mb), without_mb: without.map(({ mb }) => mb) },
    },
  ];
}

async function measureRequests(run: Run): Promise<Figure> {
  const started = (args: readonly string[]) => (scope: Scope) => start(scope, args);
  const [loaded, without] = await compareInPairs(run, started(['--library']), started([]), 'keep-alive');
  return {
    name: 'requests a second of a service with the library, keep-alive connections',
    unit: 'x without',
    target: { atLeast: AT_LEAST },
    values: ratios(loaded, without),
    samples: { with: loaded, without },
  };
}

/** Starts a process, which runs until the scope ends. */
async function start(scope: Scope, args: readonly string[]): Promise<Start> {
  const environment = Object.fromEntries(environmentList({}).map(({ key, value }) => [key, value]));
  const begin = now();
  const service: ChildProcess = spawn(process.execPath, [SERVICE, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
    detached: true,
  });
  scope.after(() => void service.kill('SIGKILL'));
  if (service.stdout === null || service.pid === undefined) throw new Error('the service did not start');
  const [line] = (await once(service.stdout, 'data')) as [Buffer];
  const ms = now() - begin;
  await pause(REST_MS);
  const { pid } = service;
  return { port: Number(line.toString()), pid, ms, mb: privateDirty(pid) };
}
