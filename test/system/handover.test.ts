import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { HttpConnection } from '../support/http-connection.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  becomeReady,
  nextReady,
  type PuppetService,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { parseTarget } from '../support/target.ts';
import { DEADLINE } from '../support/zero.ts';

const LONG_BACKOFF = { backoff: { initial: '1h', max: '1h' } };

async function assertServes({ zero }: PuppetService, { generation, pid }: Puppet): Promise<void> {
  assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
}

/** Sends the reload signal, and waits until zero has accepted it. */
async function reloadTaken(service: PuppetService): Promise<boolean> {
  const { merged } = await service.zero.fact('reload_requested', {}, service.reload());
  return merged;
}

describe('a reload', () => {
  it(
    'starts a candidate next to the incumbent, and stops the incumbent when the candidate is ready',
    DEADLINE,
    async (t) => {
      const service = await startServing(t);
      const { zero, puppets, incumbent } = service;
      service.reload();
      const candidate = await puppets.next();
      assert.equal(candidate.generation, 2);
      await assertUntouched(service, incumbent);
      await candidate.listen({ name: 'http' });
      await becomeReady(candidate);
      await incumbent.gone;
      await zero.fact('generation_gone', { generation: 1 });
      await assertServes(service, candidate);
      const finished = await zero.fact('handover_finished', { handover: 2 });
      assert.deepEqual(
        [finished.outcome, finished.generation, finished.incumbent, finished.failure],
        ['promoted', 2, 2, null],
      );
    },
  );

  it('while the first generation is in backoff starts the new config', DEADLINE, async (t) => {
    const service = await startPuppetService(t, { restart: LONG_BACKOFF });
    const { zero, puppets } = service;
    await (await puppets.next()).exit(1);
    await zero.fact('worker_restarting', { generation: 1, delay: 3_600_000 });
    service.rewrite({ environment: { RELEASE: 'b' } });
    assert.equal(await reloadTaken(service), false);
    const second = await nextReady(puppets);
    assert.equal(second.generation, 2);
    assert.ok(second.environment.map(String).includes('RELEASE=b'));
    await zero.fact('generation_promoted', { generation: 2 });
    await assertServes(service, second);
  });

  it('with an invalid config during the first start leaves that generation running', DEADLINE, async (t) => {
    const service = await startPuppetService(t);
    const { zero, puppets } = service;
    const first = await puppets.next();
    service.rewrite({ options: { reload_uptime: 'soon' } });
    service.reload();
    const { failure } = await zero.fact('handover_finished', { handover: 2, outcome: 'failed' });
    assert.equal(failure?.step, 'config');
    await first.listen({ name: 'http' });
    await becomeReady(first);
    await zero.fact('generation_promoted', { generation: 1 });
    await assertServes(service, first);
  });

  it('while the incumbent is in backoff proceeds', DEADLINE, async (t) => {
    const service = await startServing(t, { restart: LONG_BACKOFF });
    const { zero, puppets, incumbent } = service;
    await incumbent.die();
    await zero.fact('worker_restarting', { generation: 1 });
    service.reload();
    const candidate = await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 2, previous: 1 });
    await zero.fact('generation_gone', { generation: 1 });
    await assertServes(service, candidate);
  });

  it(
    'while the incumbent is in backoff keeps the incumbent when the candidate fails',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { restart: { backoff: { initial: '1s' } } });
      const { zero, puppets, incumbent } = service;
      await incumbent.die();
      await zero.fact('worker_restarting', { generation: 1 });
      service.reload();
      const { pid } = await zero.fact('worker_spawned', { generation: 2 });
      process.kill(pid, 'SIGKILL');
      await zero.fact('handover_finished', { outcome: 'rolled_back', generation: 2, incumbent: 1 });
      const again = await puppets.nextOf(1);
      await again.listen({ name: 'http' });
      await assertServes(service, again);
      assert.equal(zero.log.all('worker_restarting').length, 1);
    },
  );

  it('during a handover is merged with all others into one handover after it', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets } = service;
    assert.equal(await reloadTaken(service), false);
    const second = await puppets.next();
    for (let more = 0; more < 3; more += 1) assert.equal(await reloadTaken(service), true);
    assert.equal(zero.log.all('service_starting').length, 2);
    await second.listen({ name: 'http' });
    await becomeReady(second);
    const third = await nextReady(puppets);
    assert.equal(third.generation, 3);
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 2 });
    await assertServes(service, third);
    assert.deepEqual(
      zero.log.all('handover_started').map(({ handover }) => handover),
      [1, 2, 3],
    );
  });

  it('during a handover that is rolled back starts after it', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    service.reload();
    const second = await puppets.next();
    assert.equal(await reloadTaken(service), true);
    await second.exit(1);
    await zero.fact('handover_finished', { handover: 2, outcome: 'rolled_back' });
    const third = await puppets.next();
    await assertUntouched(service, incumbent);
    await third.listen({ name: 'http' });
    await becomeReady(third);
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    await incumbent.gone;
    await assertServes(service, third);
  });

  it('does not wait for a generation that exits slowly', DEADLINE, async (t) => {
    const service = await startServing(t, { environment: { DRAIN_MS: '60000' } });
    const { zero, puppets, incumbent } = service;
    const held = new HttpConnection(parseTarget(await zero.address('http')));
    t.after(() => held.close());
    const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
    assert.equal((await held.exchange(request, 10_000)).kind, 'answered');
    for (let generation = 2; generation <= 3; generation += 1) {
      service.reload();
      await nextReady(puppets);
      await zero.fact('generation_promoted', { generation });
    }
    await zero.fact('generation_gone', { generation: 2 });
    assert.deepEqual(zero.log.all('generation_gone', { generation: 1 }), []);
    const last = await held.exchange(request, 10_000);
    assert.ok(last.kind === 'answered');
    assert.equal(JSON.parse(last.response.body.toString()).generation, 1);
    held.close();
    await incumbent.gone;
    await zero.fact('generation_gone', { generation: 1 });
  });
});

for (const handover of [{ mode: 'shared' }, { mode: 'steered', settle: '200ms', drain_timeout: '1s' }]) {
  describe(`a reload during the first start, ${handover.mode}`, () => {
    it('keeps that generation until the candidate is ready', DEADLINE, async (t) => {
      const service = await startPuppetService(t, { handover });
      const { zero, puppets } = service;
      const first = await puppets.next();
      // Not ready, but it serves clients.
      await first.listen({ name: 'http' });
      assert.equal(await reloadTaken(service), false);
      await zero.fact('handover_finished', { handover: 1, outcome: 'superseded' });
      const second = await puppets.next();
      assert.equal(second.generation, 2);
      await assertUntouched(service, first);
      await second.listen({ name: 'http' });
      await becomeReady(second);
      await zero.fact('handover_finished', { handover: 2, outcome: 'promoted', generation: 2 });
      await first.gone;
      await zero.fact('generation_gone', { generation: 1 });
      await assertServes(service, second);
    });

    it('reports no warning', DEADLINE, async (t) => {
      const service = await startPuppetService(t, { handover });
      const { zero, puppets } = service;
      await (await puppets.next()).listen({ name: 'http' });
      service.reload();
      const second = await puppets.next();
      await second.listen({ name: 'http' });
      await becomeReady(second);
      await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
      await zero.fact('generation_gone', { generation: 1 });
      assert.deepEqual(complaints(zero), []);
    });

    it('keeps that generation when the candidate fails too', DEADLINE, async (t) => {
      const service = await startPuppetService(t, { handover });
      const { zero, puppets } = service;
      const first = await puppets.next();
      await first.listen({ name: 'http' });
      assert.equal(await reloadTaken(service), false);
      const second = await puppets.next();
      await second.exit(1);
      const { failure } = await zero.fact('handover_finished', { handover: 2, outcome: 'rolled_back' });
      assert.equal(failure?.step, 'exit');
      await zero.fact('generation_gone', { generation: 2 });
      await assertUntouched(service, first);
      await becomeReady(first);
      await zero.fact('generation_promoted', { generation: 1 });
      await assertUntouched(service, first);
    });
  });
}

describe('an incumbent that dies during a handover', () => {
  it('is restarted, and stops when the candidate is ready', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    service.reload();
    const candidate = await puppets.next();
    await incumbent.die();
    const again = await puppets.next();
    assert.equal(again.generation, 1);
    await again.listen({ name: 'http' });
    await assertServes(service, again);
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    await again.gone;
    await zero.fact('generation_gone', { generation: 1 });
    await assertServes(service, candidate);
  });

  it('is replaced by a candidate that becomes ready', DEADLINE, async (t) => {
    const service = await startServing(t, { restart: LONG_BACKOFF });
    const { zero, puppets, incumbent } = service;
    service.reload();
    const candidate = await puppets.next();
    await incumbent.die();
    await zero.fact('worker_restarting', { generation: 1 });
    const waiting = whoAnswers(await zero.address('http'));
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    assert.equal((await waiting).generation, 2);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });
});
