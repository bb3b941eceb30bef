import assert from 'node:assert/strict';
import type { PuppetService } from './puppet-service.ts';
import { answers, type WaitingRequest } from './waiting-request.ts';

/** What waits in a lane that nobody accepts from is answered by one more process of the generation that serves, there for nothing else. */
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
