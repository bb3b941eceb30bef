import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StallWatch } from '../../../../src/lifecycle/events.ts';
import { acceptQueue } from '../../../../src/linux/socket-state.ts';
import { connectSocket, openSocket } from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import type { Happening } from '../../../../src/supervisor/run/engine.ts';
import type { Generations } from '../../../../src/supervisor/run/generations.ts';
import { StallWatcher } from '../../../../src/supervisor/run/stall-watcher.ts';
import { ManualTimers } from '../../../support/manual-timers.ts';
import { listener } from '../../listeners/fixture.ts';
import { keepOpen, to } from '../../listeners/lanes/lane-support.ts';

const KEY = { generation: 1, worker: 0, incarnation: 1 };

/** Two listeners from whose lane 0 no process accepts. */
async function unattended(t: TestContext, accept: boolean | readonly string[] = true) {
  const set = new ListenerSet();
  const acquired = await set.acquire(
    ['a', 'b'].map((name) => listener(name, '127.0.0.1:0')),
    1,
  );
  t.after(() => acquired.release());
  set.steer(to([0]));
  const timers = new ManualTimers();
  const posted: Happening[] = [];
  const at = { now: 0 };
  const generations = {
    find: () => ({ post: { lane: 0 } }),
    prepared: () => ({
      acquired,
      settings: { handover: { stall: 1_000 } },
      config: { service: { readiness: { accept } } },
    }),
  } as unknown as Generations;
  const watcher = new StallWatcher({
    generations,
    listeners: set,
    timers,
    now: () => at.now,
    post: (happening) => void posted.push(happening),
    failed: assert.ifError,
    kernel: { listProcesses: () => [] },
    socketsOf: () => Promise.resolve([]),
  });
  t.after(() => watcher.close());
  const socketOf = (name: string) => acquired.listeners.find((one) => one.name === name) ?? assert.fail(name);
  return {
    posted,
    keep: (state: Pick<StallWatch, 'hung' | 'shared'>) => watcher.keep([{ ...KEY, ...state }]),
    connect(name: string) {
      const { address } = socketOf(name);
      connectSocket(keepOpen(t, openSocket(address.family, 'stream')), address);
    },
    /** The number of connections in the kernel's queues, including zero's own. */
    lengths: () => ['a', 'b'].map((name) => acceptQueue(socketOf(name).fdOf(0))),
    second() {
      at.now += 1_000;
      timers.fireAll();
    },
    timers,
  };
}

test('test connections that no process accepts do not fill the queue', async (t) => {
  const { keep, lengths, second, timers } = await unattended(t);
  keep({ hung: true, shared: true });
  for (let looks = 0; looks < 3; looks += 1) {
    second();
    while (timers.pending().includes(20)) timers.fire(20);
    assert.deepEqual(lengths(), [1, 1]);
  }
});

test('nor do those of a hung worker whose rescue worker is restarted again and again', async (t) => {
  const { keep, lengths, second } = await unattended(t);
  for (let restarts = 0; restarts < 3; restarts += 1) {
    for (const shared of [false, true]) {
      keep({ hung: true, shared });
      second();
      assert.deepEqual(lengths(), [1, 1]);
    }
  }
});

test('a listener on which no connection waits gets no test connection', async (t) => {
  const { keep, connect, lengths, second, posted, timers } = await unattended(t);
  connect('a');
  keep({ hung: false, shared: false });
  // The arrival has been seen.
  await timers.next(1_000);
  for (let seconds = 0; seconds < 4; seconds += 1) second();
  assert.deepEqual(lengths(), [2, 0]);
  assert.deepEqual(posted[0], { type: 'stalled', ...KEY });
});

test('a worker is not hung on a listener that readiness.accept does not name', async (t) => {
  const { keep, connect, lengths, second, posted, timers } = await unattended(t, ['b']);
  connect('a');
  keep({ hung: false, shared: false });
  // The arrival has been seen.
  await timers.next(1_000);
  for (let seconds = 0; seconds < 4; seconds += 1) second();
  assert.deepEqual(lengths(), [1, 0]);
  assert.deepEqual(posted, []);
});
