import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertBalanced, readBooks } from '../../support/books.ts';
import { guardProcesses } from '../../support/guard.ts';
import { startNaiveManager } from '../../support/killandrestart.ts';
import { startLoad } from '../../support/load.ts';
import { fixture, ROOT } from '../../support/paths.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const LIMIT = { timeout: 60_000 };

/**
 * A listening socket to hand over. Node always accepts while it listens, so `letGo` must be called before the first
 * client connects. Then only the services hold the socket.
 */
async function socketToHandOver(t: TestContext) {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const { port } = holder.address() as { port: number };
  const fd: number = Reflect.get(Reflect.get(holder, '_handle'), 'fd');
  t.after(() => holder.close());
  return { target: `127.0.0.1:${port}`, fd, release: () => holder.close() };
}

async function start(t: TestContext, script: string, fd: number, environment: Record<string, string>) {
  const child = spawn(process.execPath, [script], {
    env: { ...environment, LISTEN_FDS: '1' },
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  guardProcesses(t).own(child.pid ?? 0);
  const exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return { child, exit };
}

test(
  'the graceful service drains its own listener under keep-alive load, and its book balances',
  LIMIT,
  async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'service');
    const books = join(folder, 'books');
    const manager = await startNaiveManager(t, { listen: path, environment: { BOOKS_DIR: books } });
    const load = startLoad(t, {
      target: path,
      clients: 4,
      connections: 'keep-alive',
      think: { from: 0, to: 5 },
    });
    await load.whenPhaseHas(100);
    const result = await load.stop();
    await manager.stop();
    assert.deepEqual(result.byGeneration, { 1: result.sent });
    assertBalanced(result, readBooks(books));
  },
);

test('kill and restart loses requests under the same load', LIMIT, async (t) => {
  const manager = await startNaiveManager(t);
  const load = startLoad(t, { target: manager.address, clients: 4, think: { from: 0, to: 2 } });
  await load.whenPhaseHas(50);
  load.phase('restart');
  await manager.restart();
  load.phase('after');
  await load.whenPhaseHas(50);
  const result = await load.stop();
  assert.ok((result.failures.refused ?? 0) > 0, JSON.stringify(result.failures));
  assert.deepEqual(Object.keys(result.byGeneration), ['1', '2']);
});

for (const script of [fixture('graceful.js'), join(ROOT, 'examples', 'hello', 'server.mjs')]) {
  test(
    `${script.slice(ROOT.length + 1)}: two processes share a socket, the first drains, and no request is lost`,
    LIMIT,
    async (t) => {
      const { target, fd, release } = await socketToHandOver(t);
      const books = join(temporaryFolder(t), 'books');
      const hello = {
        generationOf: (response: { body: Buffer }) =>
          /generation\D+(\d+)/.exec(String(response.body))?.[1] ?? '?',
      };
      const first = await start(t, script, fd, { ZERO_GENERATION: '1', BOOKS_DIR: books });
      const second = await start(t, script, fd, { ZERO_GENERATION: '2', BOOKS_DIR: books });
      release();
      const short = startLoad(t, { target, clients: 3, ...hello });
      const kept = startLoad(t, {
        target,
        clients: 3,
        connections: 'keep-alive',
        think: { from: 0, to: 50 },
        ...hello,
      });
      await Promise.all([short.whenPhaseHas(200), kept.whenPhaseHas(50)]);
      first.child.kill('SIGTERM');
      assert.equal(await first.exit, 0);
      short.phase('second only');
      await short.whenPhaseHas(50);
      const results = [await short.stop(), await kept.stop()];
      for (const result of results) assert.deepEqual(result.failures, {});
      assert.deepEqual(results[0]?.phases[1]?.byGeneration, { 2: results[0]?.phases[1]?.answered });
      second.child.kill('SIGTERM');
      assert.equal(await second.exit, 0);
      if (!script.endsWith('graceful.js')) return;
      const counted = readBooks(books).flatMap((book) => book.ids);
      assert.deepEqual(counted.sort(), results.flatMap((result) => result.answeredIds).sort());
    },
  );
}

test('SIGTERM kills the abrupt service', LIMIT, async (t) => {
  const { fd } = await socketToHandOver(t);
  const { child, exit } = await start(t, fixture('abrupt.js'), fd, {});
  child.kill('SIGTERM');
  assert.equal(await exit, 'SIGTERM');
});
