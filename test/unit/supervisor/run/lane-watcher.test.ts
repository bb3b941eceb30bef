import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { closeFd, connectSocket, openSocket } from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import type { Happening } from '../../../../src/supervisor/run/engine.ts';
import { LaneWatcher } from '../../../../src/supervisor/run/lane-watcher.ts';
import { listener, only } from '../../listeners/fixture.ts';
import { to } from '../../listeners/lanes/lane-support.ts';

/** A lane with a probe in its queue, and the events that its watcher posts. */
async function watched(t: TestContext) {
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('http', '127.0.0.1:0')], 2);
  t.after(() => acquired.release());
  set.steer(to([1]));
  const probe = set.openProbe(acquired, 'http', 1);
  t.after(() => probe.close());
  const posted: Happening[] = [];
  let arrived = (): void => {};
  const next = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const keeper = new LaneWatcher(set, (happening) => {
    posted.push(happening);
    if (posted.length === 2) arrived();
  });
  t.after(() => keeper.keep([], []));
  return { keeper, posted, next, address: only(acquired).address };
}

test('a lane with only a probe in its queue is empty until a client arrives', async (t) => {
  const { keeper, posted, next, address } = await watched(t);
  keeper.keep([1], []);
  assert.deepEqual(posted, [{ type: 'lane_empty', lane: 1 }]);
  const client = openSocket('inet', 'stream');
  t.after(() => closeFd(client));
  connectSocket(client, address);
  await next;
  assert.deepEqual(posted.slice(1), [{ type: 'lane_queued', lane: 1 }]);
});
