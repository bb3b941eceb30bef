import assert from 'node:assert/strict';
import type { PuppetService } from './puppet-service.ts';
import { answers, type WaitingRequest } from './waiting-request.ts';

/**
 * Asserts that a rescue worker of the serving generation answers connections in a lane that no process accepts from.
 */
export async function assertRescued(
  { zero, puppets }: PuppetService,
  requests: readonly WaitingRequest[],
  serving = 1,
): Promise<void> {
  const { generation } = await zero.fact('lane_relieved');
  assert.equal(generation, serving);
  const rescue = await puppets.nextOf(serving);
  await rescue.listen({ name: 'http' });
  for (const { generation: by, pid } of await answers(requests)) {
    assert.deepEqual({ generation: by, pid }, { generation: serving, pid: rescue.pid });
  }
  assert.equal(zero.log.all('lane_relieved').length, 1);
}
