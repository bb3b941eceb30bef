import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { IS_ROOT } from '../support/privileges.ts';
import { nextReady, startServing } from '../support/puppet-service.ts';
import { DEADLINE } from '../support/zero.ts';

/**
 * A separate network namespace, in which the kernel answers a client's first packet once: a handshake ends after three
 * seconds instead of 65.
 */
const NAMESPACE = ['--net', ...(IS_ROOT ? [] : ['--map-root-user'])];
const NETWORK = 'ip link set lo up && echo 0 >/proc/sys/net/ipv4/tcp_synack_retries';
/** About 35 handovers fit into that time. */
const MANY = 200;

it('the lanes of exited generations are reused', DEADLINE, async (t) => {
  if (requireProgram(t, 'ip', 'iproute2') === null) return;
  if (spawnSync('unshare', [...NAMESPACE, 'sh', '-c', NETWORK]).status !== 0)
    return t.skip('needs a network namespace of its own: unshare(1), and the rights of root');
  const { zero, puppets, reload } = await startServing(
    t,
    {
      application: { logging: { level: 'debug' } },
      handover: { settle: '0s', drain_timeout: '0s' },
      options: { shutdown_timeout: '1s' },
    },
    { command: ['unshare', ...NAMESPACE, 'sh', '-c', `${NETWORK} && exec "$@"`, 'sh', ...ZERO_COMMAND] },
  );
  const used = new Set<number>();
  for (let handover = 2; handover < MANY; handover += 1) {
    const cursor = reload();
    await nextReady(puppets);
    const { main } = await zero.fact('steering_changed', {}, cursor);
    await zero.fact('generation_gone', { generation: handover - 1 }, cursor);
    const [lane] = main;
    assert.ok(lane !== undefined);
    if (used.has(lane)) return;
    used.add(lane);
  }
  assert.fail(`each of ${used.size} generations had a lane of its own`);
});
