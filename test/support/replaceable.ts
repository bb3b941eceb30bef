import assert from 'node:assert/strict';
import { assertBalanced, readBooks } from './books.ts';
import { type Load, type LoadOptions, startLoad } from './load.ts';
import { fixture } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import { startZero, type Zero } from './zero.ts';
import { environmentList } from './zero-config.ts';

const CLIENTS = 16;

/** The load of a load balancer, of browsers' fetches, and of a user who pauses between two requests. */
const LOADS: readonly Partial<LoadOptions>[] = [
  { connections: 'short' },
  { connections: 'keep-alive' },
  { connections: 'keep-alive', think: { from: 0, to: 200 } },
];

/** A service that drains, under load of short and of kept connections. */
export interface Replaceable {
  readonly zero: Zero;
  /** The pid of the latest process of each worker. */
  pidOf(worker: number): number;
  /** Waits until every load has this many further responses. */
  proceed(phase: string): Promise<void>;
  /** Ends the loads and the service. Asserts that no request was lost, and that both sides count the same. */
  assertNothingLost(): Promise<void>;
}

/** Starts test/fixtures/replaceable.js under load. `sections` are those of the config's `service`. */
export async function startReplaceable(
  scope: Scope,
  workers: number,
  sections: Readonly<Record<string, unknown>> = {},
): Promise<Replaceable> {
  const books = temporaryFolder(scope);
  const zero = startZero(scope, {
    config: {
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: {
          path: process.execPath,
          args: [fixture('replaceable.js')],
          environment: environmentList({ BOOKS_DIR: books }),
          workers,
        },
        options: { reload_uptime: '0s' },
        handover: { settle: '200ms', drain_timeout: '1s' },
        ...sections,
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  const target = await zero.address('http');
  const loads: Load[] = LOADS.map((options) => startLoad(scope, { target, clients: CLIENTS, ...options }));
  return {
    zero,
    pidOf: (worker) =>
      zero.log.all('worker_spawned', { worker }).at(-1)?.pid ?? assert.fail(`no worker ${worker}`),
    async proceed(phase) {
      for (const load of loads) load.phase(phase);
      await Promise.all(loads.map((load) => load.whenPhaseHas(100)));
    },
    async assertNothingLost() {
      const results = await Promise.all(loads.map((load) => load.stop()));
      zero.signal('SIGTERM');
      await zero.exited;
      const served = readBooks(books);
      for (const result of results) {
        // Each load has its own prefix.
        const [prefix] = result.answeredIds[0]?.split('-') ?? [];
        const counted = served.map((book) => {
          const ids = book.ids.filter((id) => id.startsWith(`${prefix}-`));
          return { ...book, ids, count: ids.length };
        });
        assertBalanced(result, counted);
      }
      assert.deepEqual(zero.log.all('worker_killed'), []);
      assert.deepEqual(zero.log.all('error'), []);
    },
  };
}
