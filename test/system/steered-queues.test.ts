import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freeze } from '../support/freeze.ts';
import { startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import {
  assertUntouched,
  nextReady,
  type PuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { assertRescued } from '../support/rescue.ts';
import type { Scope } from '../support/temporary.ts';
import { connectSilently, sendRequests } from '../support/waiting-request.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '500ms' };

async function promote(service: PuppetService): Promise<void> {
  service.reload();
  await nextReady(service.puppets);
  await service.zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
}

describe('a connection that the kernel has accepted is served', () => {
  it('if its handshake is completed only after the exit of the old generation', DEADLINE, async (t) => {
    // With defer_accept the last step of a handshake waits for the client's first bytes: here as long as the test
    // needs.
    const service = await startServing(t, {
      listeners: [{ name: 'http', address: '127.0.0.1:0', options: { defer_accept: 60 } }],
      handover: QUICK,
    });
    const { zero } = service;
    const clients = [1, 2, 3].map(async () => connectSilently(t, await zero.address('http')));
    const silent = await Promise.all(clients);
    await promote(service);
    await zero.fact('generation_gone', { generation: 1 });
    const requests = silent.map((client) => client.send());
    await assertRescued(service, requests, 2);
  });

  it('if the old generation hangs and is killed with connections in its queue', DEADLINE, async (t) => {
    const service = await startServing(t, {
      options: { shutdown_timeout: '200ms' },
      handover: { ...QUICK, stall: '1s' },
    });
    const { zero, incumbent } = service;
    await freeze(incumbent);
    const requests = await sendRequests(t, await zero.address('http'), 10);
    await promote(service);
    await zero.fact('worker_killed', { pid: incumbent.pid });
    await assertRescued(service, requests, 2);
    await zero.fact('generation_gone', { generation: 1 });
  });

  it('if the incumbent dies in the soak', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...QUICK, soak: '1h' } });
    const { zero, puppets, incumbent } = service;
    await freeze(incumbent);
    const requests = await sendRequests(t, await zero.address('http'), 10);
    service.reload();
    const candidate = await nextReady(puppets);
    await zero.fact('handover_step', { handover: 2, step: 'soak' });
    process.kill(incumbent.pid, 'SIGKILL');
    // Sooner than its replacement.
    await assertRescued(service, requests, 2);
    // The candidate is unaffected.
    await assertUntouched(service, candidate);
    assert.deepEqual(zero.log.all('handover_finished', { handover: 2 }), []);
  });
});

describe('a service that', () => {
  async function startBreaker(scope: Scope): Promise<Zero> {
    const zero = startZero(scope, {
      config: {
        service: {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: { path: fixture('lane-breaker.pl'), workers: 2 },
          options: { reload_uptime: '0s' },
          handover: QUICK,
        },
      },
    });
    await zero.fact('generation_promoted', { generation: 1 });
    return zero;
  }

  const deeds = [
    { path: '/shutdown', said: /^listener http: lane \d was shut down by the service; it works again/ },
    {
      path: '/again',
      said: /^listener http: lane \d was shut down( and listened to again)? by the service; it works again/,
    },
  ];
  for (const { path, said } of deeds) {
    it(`calls ${path} on its lane is reported, and steering stays correct`, DEADLINE, async (t) => {
      const zero = await startBreaker(t);
      const address = await zero.address('http');
      const broken = await startLoad(t, { target: address, path: () => path, count: 1 }).finished;
      assert.equal(broken.failed, 0);
      const noticed = zero.fact('warning', ({ message }) => said.test(message));
      // A lane that looks unchanged is checked when the next worker is ready.
      zero.signal('SIGHUP');
      const { outcome } = await zero.fact('handover_finished', { handover: 2 });
      assert.equal(outcome, 'promoted');
      await noticed;
      const { failed, losses, byGeneration } = await startLoad(t, { target: address, count: 300 }).finished;
      assert.deepEqual([failed, Object.keys(byGeneration)], [0, ['2']], JSON.stringify(losses));
      await zero.fact('generation_gone', { generation: 1 });
      assert.equal((await whoAnswers(address)).generation, 2);
      assert.deepEqual(zero.log.all('error'), []);
    });
  }
});
