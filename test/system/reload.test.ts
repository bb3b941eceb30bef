import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { assertBalanced, balance, readBooks } from '../support/books.ts';
import { type GateServer, startGateServer } from '../support/gate-server.ts';
import { HttpConnection } from '../support/http-connection.ts';
import { startNaiveManager } from '../support/killandrestart.ts';
import { type Load, startLoad } from '../support/load.ts';
import type { LoadResult } from '../support/load-book.ts';
import { fixture } from '../support/paths.ts';
import { parseTarget } from '../support/target.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import { environmentList, type RawConfig } from '../support/zero-config.ts';

const RELOADS = 20;
// Each restart loses requests. More would only take more time.
const RESTARTS = 5;
const REQUESTS = 100;
const CLIENTS = 8;

// A service that drains while a connection is open. The test holds one, and so decides how long the old generation is
// stopping.
const LONG_DRAIN = { DRAIN_MS: '60000' };

function gracefulService(listener: object, gate: GateServer, books: string): RawConfig {
  return {
    service: {
      listeners: [listener as Record<string, unknown>],
      runtime: {
        path: process.execPath,
        args: [fixture('graceful.js')],
        environment: environmentList({ BOOKS_DIR: books, ...LONG_DRAIN }),
      },
      options: { reload_uptime: '300ms' },
      readiness: { http: { address: gate.address, interval: '5ms' } },
    },
  };
}

/** A connection that has been served and stays open. */
async function holdConnection(scope: Scope, address: string): Promise<HttpConnection> {
  const connection = new HttpConnection(parseTarget(address));
  scope.after(() => connection.close());
  const { kind } = await connection.exchange('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 10_000);
  assert.equal(kind, 'answered');
  return connection;
}

async function phase(load: Load, name: string): Promise<void> {
  load.phase(name);
  await load.whenPhaseHas(REQUESTS);
}

/** One handover with at least REQUESTS requests in each of its phases. */
async function handOver(
  scope: Scope,
  { zero, gate, load, generation }: { zero: Zero; gate: GateServer; load: Load; generation: number },
): Promise<void> {
  const held = await holdConnection(scope, await zero.address('http'));
  const next = generation + 1;
  await phase(load, `${next} before`);
  gate.shut();
  zero.signal('SIGHUP');
  await zero.fact('worker_spawned', { generation: next });
  await phase(load, `${next} starting`);
  gate.open();
  await zero.fact('generation_retiring', { generation });
  await phase(load, `${next} stopping`);
  assert.deepEqual(zero.log.all('generation_gone', { generation }), []);
  held.close();
  await zero.fact('generation_gone', { generation });
  await phase(load, `${next} after`);
}

/** Stops the load before the service, and compares all books. */
async function closeBooks(zero: Zero, load: Load, books: string): Promise<LoadResult> {
  const result = await load.stop();
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  assertBalanced(result, readBooks(books));
  assert.deepEqual(result.failures, {});
  return result;
}

function assertEveryPhaseWasBusy(result: LoadResult): void {
  const handovers = result.phases.filter(({ phase: name }) => name !== 'start');
  assert.equal(handovers.length, 4 * RELOADS);
  for (const { phase: name, answered } of handovers)
    assert.ok(answered >= REQUESTS, `${name}: ${answered} requests`);
  for (const { phase: name, byGeneration } of handovers.filter(({ phase: one }) => one.endsWith('after'))) {
    assert.deepEqual(Object.keys(byGeneration), [name.split(' ')[0]], `${name}: only the new generation`);
  }
}

const transports = [
  { name: 'TCP', listener: () => ({ name: 'http', address: '127.0.0.1:0' }) },
  { name: 'Unix', listener: (folder: string) => ({ name: 'http', address: `unix:${join(folder, 'sock')}` }) },
];

for (const { name, listener } of transports) {
  describe(`short connections over ${name}`, () => {
    it(`lose nothing in ${RELOADS} reloads`, DEADLINE, async (t) => {
      const folder = temporaryFolder(t);
      const books = join(folder, 'books');
      const gate = await startGateServer(t);
      gate.open();
      const zero = startZero(t, { config: gracefulService(listener(folder), gate, books) });
      await zero.fact('generation_promoted', { generation: 1 });
      const load = startLoad(t, { target: await zero.address('http'), clients: CLIENTS });
      for (let generation = 1; generation <= RELOADS; generation += 1)
        await handOver(t, { zero, gate, load, generation });
      const result = await closeBooks(zero, load, books);
      assertEveryPhaseWasBusy(result);
      assert.equal(Object.keys(result.byGeneration).length, RELOADS + 1);
    });

    it('lose requests when the service is stopped and started instead', DEADLINE, async (t) => {
      const folder = temporaryFolder(t);
      const books = join(folder, 'books');
      const listen = name === 'TCP' ? '127.0.0.1:0' : join(folder, 'sock');
      const manager = await startNaiveManager(t, { listen, environment: { BOOKS_DIR: books } });
      const load = startLoad(t, { target: manager.address, clients: CLIENTS });
      for (let restarts = 1; restarts <= RESTARTS; restarts += 1) {
        await phase(load, `${restarts} before`);
        load.phase(`${restarts} restart`);
        await manager.restart();
      }
      await phase(load, 'after');
      const result = await load.stop();
      await manager.stop();
      assert.ok(result.failed >= RESTARTS, `only ${result.failed} requests failed`);
      assert.equal(balance(result, readBooks(books)).balanced, false);
    });
  });
}
