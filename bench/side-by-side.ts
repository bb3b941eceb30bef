import type { Scope } from '../test/support/temporary.ts';
import { pause } from './clock.ts';
import { median } from './figures.ts';
import { startLoad } from './load/index.ts';
import type { LoadOptions } from './load/protocol.ts';

export const CLIENTS = 16;
const WARM_UP_MS = 1_000;
const SETTLE_MS = 100;
const WINDOW_MS = 500;
const WINDOWS = 8;

export type Connections = LoadOptions['connections'];

/**
 * Requests a second of two services on 127.0.0.1 that are there at the same time, by their ports: clients in a process of their own, each
 * with one request under way, ask the one and the other in turns of half a second, four each. Throws where a request failed.
 */
export async function compareRates(
  scope: Scope,
  ports: readonly [one: number, other: number],
  connections: Connections,
): Promise<[one: number, other: number]> {
  const side = (port: number) => ({
    options: { ports: [port], clients: CLIENTS, connections, think: 0 },
    rates: [] as number[],
  });
  const one = side(ports[0]);
  const other = side(ports[1]);
  const load = startLoad(scope, one.options);
  await pause(WARM_UP_MS);
  load.change(other.options);
  await pause(WARM_UP_MS);
  // One, other, other, one: what changes slowly changes both.
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
