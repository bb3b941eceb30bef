import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Scope } from '../test/support/temporary.ts';
import { pause } from './clock.ts';
import { median, type Run } from './figures.ts';
import { type Load, startLoad } from './load/index.ts';
import type { LoadOptions } from './load/protocol.ts';
import { withScope } from './scope.ts';

const CLIENTS = 16;
const WARM_UP_MS = 1_000;
const SETTLE_MS = 30;
const WINDOW_MS = 150;
const WINDOWS = 40;

export type Connections = LoadOptions['connections'];

/** A service on 127.0.0.1, and its process if it has only one. */
export interface Side {
  readonly port: number;
  readonly pid?: number;
  /** The PHP file to request by FastCGI. Default: HTTP. */
  readonly script?: string;
}

/** A service with exactly one process. */
export interface LoneSide extends Side {
  readonly pid: number;
}

/** The method of the comparison, for the descriptions of measures. */
export const HOW =
  `${CLIENTS} clients in their own process, each with one request in progress, alternate between both in turns of ${WINDOW_MS} ms, ` +
  `${WINDOWS / 2} each. Each pair uses new processes, in alternating order.`;

/** Two identical services differ mainly because the scheduler gives them and the clients different processors. */
export const PINNED = 'The clients use one processor, and both services share another one.';

/**
 * Requests per second of two services, one value of each for every pair. The service that is started and measured first
 * is 2 to 3 % slower, even if both are identical, so they alternate.
 */
export async function compareInPairs(
  { pairs, progress }: Run,
  one: (scope: Scope) => Promise<Side>,
  other: (scope: Scope) => Promise<Side>,
  connections: Connections,
): Promise<[one: number[], other: number[]]> {
  const rates: [number[], number[]] = [[], []];
  for (let round = 1; round <= pairs; round += 1) {
    await withScope(async (scope) => {
      if (round % 2 === 1) {
        const [first, second] = await compareRates(
          scope,
          [await one(scope), await other(scope)],
          connections,
        );
        rates[0].push(first);
        rates[1].push(second);
      } else {
        const [first, second] = await compareRates(
          scope,
          [await other(scope), await one(scope)],
          connections,
        );
        rates[0].push(second);
        rates[1].push(first);
      }
    });
    progress(`${connections} ${round} of ${pairs}`);
  }
  return rates;
}

/**
 * Requests per second of two running services: clients in their own process, each with one request in progress,
 * alternate between them. If the processes of both are known, they share one processor and the clients use another.
 * Throws if a request failed.
 */
async function compareRates(
  scope: Scope,
  sides: readonly [one: Side, other: Side],
  connections: Connections,
): Promise<[one: number, other: number]> {
  const side = ({ port, script }: Side) => ({
    options: {
      ports: [port],
      clients: CLIENTS,
      connections,
      think: 0,
      ...(script !== undefined && { script }),
    },
    rates: [] as number[],
  });
  const one = side(sides[0]);
  const other = side(sides[1]);
  const load = startLoad(scope, one.options);
  keepApart(load, sides);
  await pause(WARM_UP_MS);
  load.change(other.options);
  await pause(WARM_UP_MS);
  // One, other, other, one: slow changes of the machine affect both equally.
  for (let window = 0; window < WINDOWS; window += 1) {
    const asked = window % 4 === 0 || window % 4 === 3 ? one : other;
    load.change(asked.options);
    await pause(SETTLE_MS);
    await load.take();
    await pause(WINDOW_MS);
    const { answered, failed, seconds } = await load.take();
    if (failed > 0) throw new Error(`${failed} of ${answered + failed} requests failed`);
    asked.rates.push(answered / seconds);
  }
  return [median(one.rates), median(other.rates)];
}

function keepApart(load: Load, sides: readonly Side[]): void {
  const services = sides.flatMap(({ pid }) => pid ?? []);
  if (services.length < sides.length || availableParallelism() < 2) return;
  for (const pid of services) pin(pid, 0);
  pin(load.pid, 1);
}

/** Pins every thread of a process to one processor. */
function pin(pid: number, processor: number): void {
  const args = ['--all-tasks', '--pid', '--cpu-list', String(processor), String(pid)];
  execFileSync('taskset', args, { stdio: 'ignore' });
}
