import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import { assertBalanced, readBooks } from '../support/books.ts';
import { type Load, type LoadOptions, startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

/** Can be raised for a long run. */
const HANDOVERS = Number(process.env.HANDOVERS ?? 50);
const ANSWERS_EACH = 100;
const CLIENTS = 32;

/** The load of a load balancer, of browsers' fetches, and of a user who pauses between two requests. */
const LOADS: Readonly<Record<string, Partial<LoadOptions>>> = {
  short: { connections: 'short' },
  'keep-alive': { connections: 'keep-alive' },
  thinking: { connections: 'keep-alive', think: { from: 0, to: 200 } },
};

interface Running {
  readonly zero: Zero;
  readonly books: string;
}

async function startService(scope: Scope, variables: Record<string, string> = {}): Promise<Running> {
  const books = temporaryFolder(scope);
  const zero = startZero(scope, {
    config: {
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: {
          path: process.execPath,
          args: [fixture('draining.js')],
          environment: environmentList({ BOOKS_DIR: books, ...variables }),
        },
        options: { reload_uptime: '0s' },
        // Other generations may still be draining. A handover does not wait for them.
        handover: { settle: '20ms', drain_timeout: '0s', max_retiring: 20 },
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  return { zero, books };
}

async function handOver(zero: Zero, handover: number, loads: readonly Load[]): Promise<void> {
  zero.signal('SIGHUP');
  const { outcome, failure } = await zero.fact('handover_finished', { handover });
  assert.deepEqual([outcome, failure], ['promoted', null]);
  for (const load of loads) load.phase(`generation ${handover}`);
  await Promise.all(loads.map((load) => load.whenPhaseHas(ANSWERS_EACH)));
}

group(`${HANDOVERS} handovers of a service that drains with the library`, () => {
  it('lose no request of any client, and both sides count the same', {
    timeout: DEADLINE.timeout * 3,
  }, async (t) => {
    const { zero, books } = await startService(t);
    const target = await zero.address('http');
    const loads = Object.values(LOADS).map((options) =>
      startLoad(t, { target, clients: CLIENTS, ...options }),
    );
    for (let handover = 2; handover <= HANDOVERS + 1; handover += 1) await handOver(zero, handover, loads);
    const results = await Promise.all(loads.map((load) => load.stop()));
    zero.signal('SIGTERM');
    await zero.exited;
    const served = readBooks(books);
    // Includes rescue workers, for connections in a lane whose process had exited.
    assert.ok(served.length > HANDOVERS, String(served.length));
    for (const result of results) {
      // Each load has its own prefix.
      const [prefix] = result.answeredIds[0]?.split('-') ?? [];
      const counted = served.map((book) => {
        const ids = book.ids.filter((id) => id.startsWith(`${prefix}-`));
        return { ...book, ids, count: ids.length };
      });
      assertBalanced(result, counted);
      for (const { phase, answered } of result.phases.slice(1))
        assert.ok(answered >= ANSWERS_EACH, `${phase}: ${answered}`);
    }
    assert.deepEqual(zero.log.all('worker_killed'), []);
    assert.deepEqual(zero.log.all('error'), []);
  });
});

group('a plain server.close() instead', () => {
  it('loses requests on kept connections, which the counts show', DEADLINE, async (t) => {
    const { zero } = await startService(t, { PLAIN_CLOSE: 'yes' });
    const load = startLoad(t, {
      target: await zero.address('http'),
      clients: CLIENTS,
      connections: 'keep-alive',
    });
    for (let handover = 2; load.lost === 0; handover += 1) {
      assert.ok(handover <= 40, 'nothing was lost in 38 handovers');
      await handOver(zero, handover, [load]);
    }
    await load.stop();
  });
});
