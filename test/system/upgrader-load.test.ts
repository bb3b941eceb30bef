// A service that replaces itself repeatedly under load: every request is answered, and every response is counted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { balance, readBooks } from '../support/books.ts';
import { guardProcesses } from '../support/guard.ts';
import { Journal } from '../support/journal.ts';
import { type Load, startLoad } from '../support/load.ts';
import { describe as describeBook } from '../support/load-book.ts';
import { fixture } from '../support/paths.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** Can be raised for a long run. */
const UPGRADES = Number(process.env.UPGRADES ?? 50);
const CLIENTS = 32;

interface Service {
  readonly address: string;
  readonly books: string;
  readonly pidFile: string;
  /** The n-th line with this first word: `serving`, `replaced`, `left`. */
  line(kind: string, n: number): Promise<string>;
  count(kind: string): number;
}

async function start(t: TestContext): Promise<Service> {
  const guard = guardProcesses(t);
  const folder = temporaryFolder(t);
  const books = join(folder, 'books');
  const pidFile = join(folder, 'app.pid');
  const environment: NodeJS.ProcessEnv = { ...process.env, BOOKS_DIR: books, PID_FILE: pidFile };
  delete environment.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, [fixture('self-upgrading.js')], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.pid !== undefined) guard.own(child.pid);
  const journals = new Map<string, Journal<string>>();
  const journal = (kind: string): Journal<string> => {
    const found = journals.get(kind) ?? new Journal<string>();
    journals.set(kind, found);
    return found;
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [kind = '', pid] = line.split(' ');
    if (kind === 'serving') guard.own(Number(pid));
    journal(kind).push(line);
  });
  t.after(() => {
    for (const one of journals.values()) one.close(() => new Error('the test is over'));
  });
  const line = (kind: string, n: number): Promise<string> => {
    const { entries } = journal(kind);
    return journal(kind).waitFor((entry) => entries[n] === entry, n);
  };
  const port = (await line('serving', 0)).split(' ')[2];
  return {
    address: `127.0.0.1:${port}`,
    books,
    pidFile,
    line,
    count: (kind) => journal(kind).entries.length,
  };
}

/** Replaces the service that many times under the loads, and compares all books. */
async function upgradeUnder(service: Service, loads: readonly Load[]): Promise<void> {
  let served = service.line('serving', 0);
  for (let upgrade = 1; upgrade <= UPGRADES; upgrade += 1) {
    const pid = Number((await served).split(' ')[1]);
    for (const load of loads) load.phase(`upgrade ${upgrade}`);
    served = service.line('serving', upgrade);
    process.kill(pid, 'SIGHUP');
    const next = Number((await served).split(' ')[1]);
    assert.equal(readFileSync(service.pidFile, 'latin1'), `${next}\n`);
    await Promise.all(loads.map((load) => load.whenPhaseHas(10)));
  }
  const results = await Promise.all(loads.map((load) => load.stop()));
  process.kill(Number((await served).split(' ')[1]), 'SIGTERM');
  await service.line('left', UPGRADES);
  assert.equal(service.count('failed'), 0, 'an upgrade failed');
  const ids = new Map(results.map((result) => [result, new Set(result.answeredIds)]));
  const books = readBooks(service.books);
  assert.equal(books.length, UPGRADES + 1);
  for (const result of results) {
    assert.equal(result.failed, 0, `${describeBook(result)}\n${JSON.stringify(result.losses.slice(0, 5))}`);
    // Each load has its own prefix, which selects its part of the balance.
    const prefix = result.answeredIds[0]?.split('-')[0];
    const own = books.map((book) => {
      const found = book.ids.filter((id) => id.startsWith(`${prefix}-`));
      return { ...book, ids: found, count: found.length };
    });
    const { balanced, ...numbers } = balance(result, own);
    assert.ok(balanced, JSON.stringify({ ...numbers, known: ids.get(result)?.size }));
  }
  // No connection was cut off: each old process completed its requests.
  for (let upgrade = 0; upgrade < UPGRADES; upgrade += 1) {
    const [, , report = ''] = /^replaced (\d+) (.*)$/.exec(await service.line('replaced', upgrade)) ?? [];
    assert.equal(JSON.parse(report).cut, 0, report);
  }
}

describe('a service that replaces itself under load', () => {
  it('loses no request on short and on kept connections', { timeout: 240_000 }, async (t) => {
    const service = await start(t);
    const target = service.address;
    await upgradeUnder(service, [
      startLoad(t, { target, clients: CLIENTS / 2 }),
      startLoad(t, { target, clients: CLIENTS / 2, connections: 'keep-alive' }),
    ]);
  });

  it('loses no request of clients that pause between their requests', { timeout: 240_000 }, async (t) => {
    const service = await start(t);
    const think = { from: 0, to: 200 };
    await upgradeUnder(service, [
      startLoad(t, { target: service.address, clients: CLIENTS, connections: 'keep-alive', think }),
    ]);
  });
});
