import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { unixSocketsAt } from '../../src/linux/sock_diag.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  becomeReady,
  type PuppetSections,
  type PuppetService,
  startPuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { assertRescued } from '../support/rescue.ts';
import { listenQueues } from '../support/sockets.ts';
import { parseTarget } from '../support/target.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { sendRequest } from '../support/waiting-request.ts';
import { DEADLINE } from '../support/zero.ts';

const FAMILIES: Readonly<Record<string, (scope: Scope) => Record<string, unknown>>> = {
  TCP: () => ({ address: '127.0.0.1:0' }),
  Unix: (scope) => ({ address: `unix:${temporaryFolder(scope)}/app.sock`, steer: true }),
};

function sections(listener: Record<string, unknown>, handover = {}): PuppetSections {
  return {
    listeners: [{ name: 'http', ...listener }],
    options: { shutdown_timeout: '200ms' },
    handover: { settle: '0s', drain_timeout: '0s', ...handover },
  };
}

/** Resolves when this many connections wait in the queues of the listener, including zero's own. */
async function queued({ zero }: PuppetService, count: number): Promise<void> {
  const target = parseTarget(await zero.address('http'));
  const lengths = () =>
    'path' in target
      ? unixSocketsAt(target.path).map(({ rqueue }) => rqueue)
      : listenQueues(target.port).map(({ rqueue }) => rqueue);
  while (lengths().reduce((sum, length) => sum + length, 0) < count) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A first generation that never accepts, with zero's probe in its queue. */
async function startMute(
  scope: Scope,
  listener: Record<string, unknown>,
  handover = {},
): Promise<PuppetService & { readonly mute: Puppet }> {
  const service = await startPuppetService(scope, sections(listener, handover));
  const mute = await service.puppets.next();
  await queued(service, 1);
  return { ...service, mute };
}

/** Hands over to the next generation, which accepts. */
async function handOver(service: PuppetService, generation: number): Promise<void> {
  service.reload();
  const puppet = await service.puppets.nextOf(generation);
  await puppet.listen({ name: 'http' });
  await becomeReady(puppet);
  await service.zero.fact('generation_promoted', { generation });
}

/**
 * Asserts that exactly these generations had a process, as often as listed, and that none of them was a rescue worker.
 */
function assertProcesses({ zero }: PuppetService, generations: readonly number[]): void {
  assert.deepEqual(
    zero.log.all('worker_spawned').map(({ generation }) => generation),
    generations,
  );
  assert.deepEqual(zero.log.all('lane_relieved'), []);
}

for (const [family, listenerOf] of Object.entries(FAMILIES)) {
  describe(`an unaccepted probe, ${family}`, () => {
    it('gets no rescue worker when a reload replaces the service', DEADLINE, async (t) => {
      const service = await startMute(t, listenerOf(t));
      for (const generation of [2, 3]) {
        await handOver(service, generation);
        await service.zero.fact('generation_gone', { generation: generation - 1 });
      }
      assertProcesses(service, [1, 2, 3]);
    });

    it('gets no rescue worker when the service crashes', DEADLINE, async (t) => {
      const service = await startMute(t, listenerOf(t), { settle: '1h' });
      const { zero, puppets, mute } = service;
      process.kill(mute.pid, 'SIGKILL');
      const again = await puppets.nextOf(1);
      await queued(service, 2);
      await handOver(service, 2);
      // No other process accepts from the lane of this process, and its queue is read now.
      process.kill(again.pid, 'SIGKILL');
      await zero.fact('generation_gone', { generation: 1 });
      await handOver(service, 3);
      assertProcesses(service, [1, 1, 2, 3]);
    });

    it('gets no rescue worker when zero stops', DEADLINE, async (t) => {
      const service = await startMute(t, listenerOf(t));
      service.zero.signal('SIGTERM');
      await service.zero.exited;
      assertProcesses(service, [1]);
    });

    it('gets no rescue worker when a candidate fails', DEADLINE, async (t) => {
      const listener = listenerOf(t);
      const service = await startServing(t, sections(listener));
      service.rewrite({ ...sections(listener), readiness: { timeout: '500ms' } });
      for (const generation of [2, 3]) {
        service.reload();
        await service.zero.fact('generation_gone', { generation });
      }
      assertProcesses(service, [1, 2, 3]);
    });

    it('does not hide a client that waits behind it', DEADLINE, async (t) => {
      const service = await startMute(t, listenerOf(t), { settle: '1h' });
      const { zero, puppets, mute } = service;
      const request = await sendRequest(t, await zero.address('http'));
      await handOver(service, 2);
      process.kill(mute.pid, 'SIGKILL');
      await assertRescued(service, [request], 2);
      assert.deepEqual(
        puppets.all.map(({ generation }) => generation),
        [1, 2, 2],
      );
    });
  });
}
