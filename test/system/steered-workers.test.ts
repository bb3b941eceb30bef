import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freeze } from '../support/freeze.ts';
import { startLoad } from '../support/load.ts';
import type { LoadResult } from '../support/load-book.ts';
import { fixture } from '../support/paths.ts';
import type { Puppet } from '../support/puppet.ts';
import { nextReady, type PuppetService, startPuppetService } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { sendRequests } from '../support/waiting-request.ts';
import { DEADLINE, startZero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

const WORKERS = 4;
const QUICK = { settle: '200ms', drain_timeout: '1s' };
const LONG_BACKOFF = { backoff: { initial: '1h', max: '1h' } };

interface Crew extends PuppetService {
  /** In the order of their index. */
  readonly workers: readonly Puppet[];
}

async function startCrew(
  scope: Scope,
  { count = WORKERS, restart }: { count?: number; restart?: Readonly<Record<string, unknown>> } = {},
): Promise<Crew> {
  const service = await startPuppetService(scope, {
    runtime: { workers: count },
    handover: QUICK,
    ...(restart && { restart }),
  });
  const workers: Puppet[] = [];
  while (workers.length < count) workers.push(await nextReady(service.puppets));
  await service.zero.fact('generation_promoted', { generation: 1 });
  workers.sort((one, other) => one.announcement.worker - other.announcement.worker);
  assert.deepEqual(
    workers.map(({ announcement }) => announcement.worker),
    Array.from(workers.keys()),
  );
  return { ...service, workers };
}

/** Counts the responses by the pid of the worker. */
async function countByPid(
  scope: Scope,
  { zero }: PuppetService,
  count: number,
): Promise<Map<number, number>> {
  const { failed, byGeneration }: LoadResult = await startLoad(scope, {
    target: await zero.address('http'),
    count,
    generationOf: ({ body }) => String(JSON.parse(body.toString()).pid),
  }).finished;
  assert.equal(failed, 0);
  return new Map(Object.entries(byGeneration).map(([pid, answers]) => [Number(pid), answers]));
}

function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Chi-squared with 7 degrees of freedom exceeds this with a probability of 1e-6. */
const LIMIT_OF_EIGHT = 40.52;

function otherThan(one: Puppet, { workers }: Crew): number[] {
  return workers.filter((worker) => worker !== one).map(({ pid }) => pid);
}

describe('several workers', () => {
  it('share the connections evenly, with eight of them', DEADLINE, async (t) => {
    const crew = await startCrew(t, { count: 8 });
    const counts = await countByPid(t, crew, 2000);
    const each = crew.workers.map(({ pid }) => counts.get(pid) ?? 0);
    assert.equal(
      each.reduce((sum, count) => sum + count, 0),
      2000,
    );
    assert.ok(chiSquared(each) < LIMIT_OF_EIGHT, `spread ${each.join(' ')}`);
  });

  it(
    'send no new connection to a crashed one in backoff, and the others keep serving',
    DEADLINE,
    async (t) => {
      const crew = await startCrew(t, { restart: LONG_BACKOFF });
      const { zero, workers } = crew;
      const [, , crashed] = workers;
      assert.ok(crashed);
      await crashed.die('SIGKILL');
      await zero.fact('worker_restarting', { generation: 1, worker: 2 });
      const counts = await countByPid(t, crew, 400);
      assert.deepEqual([...counts.keys()].sort(), otherThan(crashed, crew).sort());
      assert.deepEqual(
        zero.log.all('worker_exited').map(({ worker }) => worker),
        [2],
      );
      assert.deepEqual(zero.log.all('worker_signalled'), []);
      const { main } = zero.log.all('steering_changed').at(-1) ?? { main: [] };
      assert.deepEqual(main, [0, 1, 3]);
    },
  );

  it('replace a crashed one, whose waiting clients are served', DEADLINE, async (t) => {
    const crew = await startCrew(t);
    const { zero, workers, puppets } = crew;
    const [, crashed] = workers;
    assert.ok(crashed);
    await freeze(crashed);
    const requests = await sendRequests(t, await zero.address('http'), 60);
    process.kill(crashed.pid, 'SIGKILL');
    const again = await puppets.next();
    assert.equal(again.announcement.worker, 1);
    await again.listen({ name: 'http' });
    const pids = (await Promise.all(requests.map(({ answer }) => answer))).map(({ pid }) => pid);
    const expected = [...otherThan(crashed, crew), again.pid];
    assert.deepEqual([...new Set(pids)].sort(), expected.sort());
    assert.deepEqual(zero.log.all('lane_relieved'), []);
  });
});

function abruptConfig(listener: Readonly<Record<string, unknown>>, workers: number): RawConfig {
  return {
    service: {
      listeners: [{ name: 'http', ...listener }],
      runtime: { path: process.execPath, args: [fixture('abrupt.js')], workers },
      options: { reload_uptime: '0s' },
      handover: { settle: '200ms', drain_timeout: '2s' },
    },
  };
}

describe('under load no request is lost', () => {
  it('when the number of workers changes, and none of them drains', DEADLINE, async (t) => {
    const listener = { address: '127.0.0.1:0' };
    const zero = startZero(t, { config: abruptConfig(listener, WORKERS) });
    await zero.fact('generation_promoted', { generation: 1 });
    const load = startLoad(t, { target: await zero.address('http') });
    let handover = 1;
    for (const workers of [2, 4, 1, 3]) {
      handover += 1;
      zero.rewrite(abruptConfig(listener, workers));
      zero.signal('SIGHUP');
      const { outcome } = await zero.fact('handover_finished', { handover });
      assert.equal(outcome, 'promoted');
      const { main } = zero.log.all('steering_changed').at(-1) ?? { main: [] };
      assert.equal(main.length, workers);
      load.phase(`${workers} workers`);
      await load.whenPhaseHas(100);
    }
    await zero.fact('generation_gone', { generation: handover - 1 });
    const { failed, losses } = await load.stop();
    assert.equal(failed, 0, JSON.stringify(losses.slice(0, 5)));
  });

  it('over a Unix socket with steer: true, and every worker has its share', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'http.sock');
    const zero = startZero(t, { config: abruptConfig({ address: `unix:${path}`, steer: true }, 2) });
    await zero.fact('generation_promoted', { generation: 1 });
    const workers = await startLoad(t, {
      target: `unix:${path}`,
      count: 200,
      generationOf: ({ body }) => String(JSON.parse(body.toString()).pid),
    }).finished;
    assert.equal(Object.keys(workers.byGeneration).length, 2);
    const load = startLoad(t, { target: `unix:${path}` });
    await load.whenPhaseHas(50);
    const last = 9;
    for (let handover = 2; handover <= last; handover += 1) {
      zero.signal('SIGHUP');
      const { outcome, failure } = await zero.fact('handover_finished', { handover });
      assert.deepEqual([outcome, failure], ['promoted', null]);
      load.phase(`generation ${handover}`);
      await load.whenPhaseHas(50);
    }
    await zero.fact('generation_gone', { generation: last - 1 });
    const { failed, losses, byGeneration } = await load.stop();
    assert.equal(failed, 0, JSON.stringify(losses.slice(0, 5)));
    assert.equal(Object.keys(byGeneration).length, last);
    assert.deepEqual(zero.log.all('handover_mode'), []);
    zero.signal('SIGTERM');
    assert.equal((await zero.exited).code, 0);
    assert.deepEqual(readdirSync(folder), [], 'names were left behind');
  });
});
