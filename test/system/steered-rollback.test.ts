import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FactOf } from '../support/fact-log.ts';
import { freeze } from '../support/freeze.ts';
import { holdRequest } from '../support/held-request.ts';
import { startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  becomeReady,
  nextReady,
  type PuppetSections,
  type PuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { assertRescued } from '../support/rescue.ts';
import type { Scope } from '../support/temporary.ts';
import { sendRequests } from '../support/waiting-request.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

type Failure = NonNullable<FactOf<'handover_finished'>['failure']>;

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const CANARY = { steps: [{ percent: 100, for: '1h' }] };

/** The verdict on the candidate of the first reload: rolled back, with the reason. */
async function rolledBack({ zero }: PuppetService): Promise<Failure> {
  const { outcome, generation, incumbent, failure } = await zero.fact('handover_finished', { handover: 2 });
  assert.deepEqual([outcome, generation, incumbent], ['rolled_back', 2, 1]);
  assert.ok(failure);
  return failure;
}

/** Serves, and the candidate of its reload has passed its gates and reached that step. */
async function startCandidate(
  scope: Scope,
  step: 'canary' | 'soak',
  sections: PuppetSections,
): Promise<PuppetService & { readonly incumbent: Puppet; readonly candidate: Puppet }> {
  const service = await startServing(scope, sections);
  service.reload();
  const candidate = await nextReady(service.puppets);
  await service.zero.fact('handover_step', { handover: 2, step });
  return { ...service, candidate };
}

describe('a candidate is rolled back, and its waiting clients are served, when it', () => {
  it('dies in the canary', DEADLINE, async (t) => {
    const service = await startCandidate(t, 'canary', { handover: { ...QUICK, canary: CANARY } });
    const { zero, candidate, incumbent } = service;
    await freeze(candidate);
    const requests = await sendRequests(t, await zero.address('http'), 10);
    process.kill(candidate.pid, 'SIGKILL');
    const failure = await rolledBack(service);
    assert.deepEqual(
      [failure.step, failure.reason, failure.generation],
      ['exit', 'was killed by SIGKILL', 2],
    );
    await assertUntouched(service, incumbent);
    await assertRescued(service, requests);
    await assertUntouched(service, incumbent);
    // The next one succeeds, and the rescue worker exits with its generation.
    service.rewrite({ handover: QUICK });
    service.reload();
    assert.equal((await nextReady(service.puppets)).generation, 3);
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 1 });
  });

  it('hangs in the canary', DEADLINE, async (t) => {
    const service = await startCandidate(t, 'canary', {
      options: { shutdown_timeout: '100ms' },
      handover: { ...QUICK, stall: '500ms', canary: CANARY },
    });
    const { zero, candidate, incumbent } = service;
    await freeze(candidate);
    const requests = await sendRequests(t, await zero.address('http'), 10);
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'stall');
    assert.match(failure.reason, /^worker 0 is hung: connections wait for it .* for 500ms$/);
    await assertUntouched(service, incumbent);
    await assertRescued(service, requests);
    await zero.fact('worker_killed', { pid: candidate.pid });
    await zero.fact('generation_gone', { generation: 2 });
    await assertUntouched(service, incumbent);
  });

  it('dies in the soak', DEADLINE, async (t) => {
    const service = await startCandidate(t, 'soak', { handover: { ...QUICK, soak: '1h' } });
    const { zero, candidate, incumbent } = service;
    await zero.fact('generation_promoted', { generation: 2, previous: 1 });
    await freeze(candidate);
    const requests = await sendRequests(t, await zero.address('http'), 10);
    process.kill(candidate.pid, 'SIGKILL');
    assert.equal((await rolledBack(service)).step, 'exit');
    await assertUntouched(service, incumbent);
    await assertRescued(service, requests);
    await assertUntouched(service, incumbent);
  });

  it('answers `verify` with 500', DEADLINE, async (t) => {
    const verify = { http: { listener: 'http', path: '/health' }, interval: '50ms', failures: 3 };
    const canary = { steps: [{ percent: 1, for: '1h' }] };
    const service = await startCandidate(t, 'canary', { handover: { ...QUICK, verify, canary } });
    await service.candidate.behave({ status: 500 });
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'verify');
    assert.match(failure.reason, /GET \/health returned 500/);
    await service.candidate.gone;
    await assertUntouched(service, service.incumbent);
  });

  it('answers `verify` with 500 in a canary that is shorter than three checks', DEADLINE, async (t) => {
    const verify = { http: { listener: 'http', path: '/health' }, interval: '500ms', failures: 3 };
    const canary = {
      steps: [
        { percent: 1, for: '100ms' },
        { percent: 50, for: '100ms' },
      ],
    };
    const service = await startServing(t, { handover: { ...QUICK, verify, canary } });
    service.reload();
    const candidate = await service.puppets.next();
    await candidate.behave({ status: 500 });
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'verify');
    assert.match(failure.reason, /^verify failed 3 times in a row; last: .*GET \/health returned 500/);
    assert.deepEqual(service.zero.log.all('generation_promoted', { generation: 2 }), []);
    await candidate.gone;
    await assertUntouched(service, service.incumbent);
  });
});

describe('after the verdict, until the old generation is asked to stop, it serves again when the new one', () => {
  /** Promoted, while a request in progress keeps the old generation running. */
  async function startSuccessor(scope: Scope) {
    const service = await startServing(scope, { handover: { settle: '200ms', drain_timeout: '1h' } });
    const { zero, puppets } = service;
    const address = await zero.address('http');
    const held = holdRequest(scope, address);
    // One lane is a queue: the request before this one has also been accepted.
    await whoAnswers(address);
    service.rewrite({
      options: { shutdown_timeout: '100ms' },
      handover: { ...QUICK, drain_timeout: '0s', stall: '500ms' },
    });
    service.reload();
    const successor = await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    await freeze(successor);
    return { ...service, held, successor, requests: await sendRequests(scope, address, 5) };
  }

  async function assertBack(service: Awaited<ReturnType<typeof startSuccessor>>): Promise<string> {
    const { zero, incumbent, held, requests } = service;
    const { generation, incumbent: back, failure } = await zero.fact('generation_rolled_back');
    assert.deepEqual([generation, back], [2, 1]);
    await assertUntouched(service, incumbent);
    await assertRescued(service, requests);
    await zero.fact('generation_gone', { generation: 2 });
    await assertUntouched(service, incumbent);
    assert.equal(JSON.parse((await held.finish()).body.toString()).pid, incumbent.pid);
    return failure.step;
  }

  it('dies', DEADLINE, async (t) => {
    const service = await startSuccessor(t);
    process.kill(service.successor.pid, 'SIGKILL');
    assert.equal(await assertBack(service), 'exit');
  });

  it('hangs', DEADLINE, async (t) => {
    const service = await startSuccessor(t);
    assert.equal(await assertBack(service), 'stall');
  });
});

describe('a candidate that is not ready never gets a public connection, and is rolled back, when it', () => {
  it('reports readiness but never accepts', DEADLINE, async (t) => {
    const service = await startServing(t, { readiness: { timeout: '2s' }, handover: QUICK });
    const { zero, puppets, incumbent } = service;
    const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
    service.reload();
    const candidate = await puppets.next();
    await candidate.write(10, 'ready\n');
    await zero.fact('gate_passed', { generation: 2, gate: 'ready_fd' });
    const failure = await rolledBack(service);
    assert.equal(failure.step, 'readiness.timeout');
    assert.match(
      failure.reason,
      /still waiting for accept \(accept: has not accepted a test connection on listener http\)/,
    );
    await candidate.gone;
    const { failed, byGeneration } = await load.stop();
    assert.deepEqual([failed, Object.keys(byGeneration)], [0, ['1']]);
    await assertUntouched(service, incumbent);
  });

  const OWN =
    /^it opened a socket of its own on the address of listener http instead of using its descriptor\. Configure the service/;
  const ownSockets = [
    { how: 'beside', step: 'readiness.accept', reason: OWN },
    {
      how: 'instead',
      step: 'readiness.timeout',
      reason: /still waiting for accept .*it opened a socket of its own/,
    },
  ];
  for (const { how, step, reason } of ownSockets) {
    it(`accepts from its own socket on the address ${how} its descriptor`, DEADLINE, async (t) => {
      const service = await startServing(t, { handover: QUICK });
      const { zero, incumbent } = service;
      const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
      service.rewrite({
        runtime: { path: fixture('own-socket.pl'), args: [] },
        environment: { OWN_SOCKET: how },
        readiness: { timeout: '3s' },
        handover: QUICK,
      });
      service.reload();
      const failure = await rolledBack(service);
      assert.equal(failure.step, step);
      assert.match(failure.reason, reason);
      await zero.fact('generation_gone', { generation: 2 });
      load.phase('afterwards');
      await load.whenPhaseHas(50);
      const { failed, failures, byGeneration } = await load.stop();
      assert.deepEqual([failed, failures, Object.keys(byGeneration)], [0, {}, ['1']]);
      await assertUntouched(service, incumbent);
    });
  }
});

describe('under load', () => {
  it(
    'a candidate that is killed in the canary loses only requests that it had accepted',
    DEADLINE,
    async (t) => {
      const clients = 8;
      const zero = startZero(t, {
        config: {
          service: {
            listeners: [{ name: 'http', address: '127.0.0.1:0' }],
            runtime: { path: process.execPath, args: [fixture('abrupt.js')] },
            options: { reload_uptime: '0s' },
            handover: { ...QUICK, canary: { steps: [{ percent: 50, for: '1h' }] } },
          },
        },
      });
      await zero.fact('generation_promoted', { generation: 1 });
      const load = startLoad(t, { target: await zero.address('http'), clients });
      await load.whenPhaseHas(50);
      zero.signal('SIGHUP');
      await zero.fact('handover_step', { handover: 2, step: 'canary' });
      load.phase('canary');
      await load.whenPhaseHas(200);
      const { pid } = await zero.fact('worker_spawned', { generation: 2 });
      process.kill(pid, 'SIGKILL');
      await zero.fact('handover_finished', { handover: 2, outcome: 'rolled_back' });
      load.phase('afterwards');
      await load.whenPhaseHas(200);
      const { failed, failures, phases, losses } = await load.stop();
      const allowed = ['reset_before_byte', 'reset_mid_response', 'eof_before_response', 'eof_mid_response'];
      assert.deepEqual(
        Object.keys(failures).filter((name) => !allowed.includes(name)),
        [],
        JSON.stringify(losses),
      );
      assert.ok(failed <= clients, JSON.stringify(losses));
      const afterwards = phases.find(({ phase }) => phase === 'afterwards');
      assert.deepEqual([afterwards?.failures, Object.keys(afterwards?.byGeneration ?? {})], [{}, ['1']]);
    },
  );
});
