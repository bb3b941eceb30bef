import assert from 'node:assert/strict';
import { fstatSync, writeSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { openPipe } from '../../../../src/linux/pipes.ts';
import { reactor } from '../../../../src/linux/reactor.ts';
import { unixSocket } from '../../../../src/linux/sock_diag.ts';
import { acceptQueue, peekConnection } from '../../../../src/linux/socket-state.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import { LaneWatch } from '../../../../src/listeners/lanes/lane-watch.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import { listener, only, temporaryFolder } from '../fixture.ts';
import { shutDown } from '../shutdown.ts';
import { emptied, keepOpen, to } from './lane-support.ts';

const FAMILIES: Readonly<Record<string, (t: TestContext) => string>> = {
  'TCP over IPv4': () => '127.0.0.1:0',
  'TCP over IPv6': () => '[::1]:0',
  Unix: (t) => `unix:${temporaryFolder(t)}/app.sock`,
};

/** A listener with three lanes. Clients reach lane 1. */
async function steered(t: TestContext, address: string, settings = {}) {
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('app', address, { steer: true, ...settings })], 3);
  t.after(() => acquired.release());
  set.steer(to([1]));
  const app = only(acquired);
  const fd = app.fdOf(1);
  return {
    set,
    acquired,
    fd,
    /** Connects a client that stays connected. */
    connect: () => connectSocket(keepOpen(t, openSocket(app.address.family, 'stream')), app.address),
    openProbe() {
      const probe = set.openProbe(acquired, 'app', 1);
      t.after(() => probe.close());
      return probe;
    },
    /** The number of connections in the kernel's queue, including zero's own. */
    length: () => (app.address.family === 'unix' ? unixSocket(inodeOf(fd))?.rqueue : acceptQueue(fd)),
    watch() {
      const calls: string[] = [];
      const { close } = set.watchLane(1, false, () => calls.push('queued'));
      t.after(close);
      return calls;
    },
  };
}

/** Resolves when the reactor has reported every earlier event. */
function reported(): Promise<void> {
  const { read, write } = openPipe();
  writeSync(write, 'x');
  return new Promise((resolve) => {
    const watch = reactor.watch(read, () => {
      watch.close();
      closeFd(read);
      closeFd(write);
      resolve();
    });
  });
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

for (const [family, addressOf] of Object.entries(FAMILIES)) {
  describe(`the queue of a lane, ${family}`, () => {
    test('has no client while only probes wait, open or closed', async (t) => {
      const { set, openProbe, connect, length } = await steered(t, addressOf(t));
      const [first] = [openProbe(), openProbe()];
      assert.deepEqual([length(), set.queued(1), set.queues().get('app')], [2, 0, 0]);
      first.close();
      assert.deepEqual([length(), set.queued(1), set.queues().get('app')], [2, 0, 0]);
      connect();
      assert.deepEqual([length(), set.queued(1), set.queues().get('app')], [3, 1, 1]);
    });

    test('counts a client when the probe before it is accepted, and after', async (t) => {
      const { set, fd, openProbe, connect } = await steered(t, addressOf(t));
      const probe = openProbe();
      connect();
      probe.close();
      assert.equal(set.queued(1), 1);
      const accepted = acceptSocket(fd);
      assert.ok(accepted);
      keepOpen(t, accepted.fd);
      assert.equal(set.queued(1), 1);
      assert.equal(emptied(fd), 1);
      assert.equal(set.queued(1), 0);
    });

    test('keeps the closed end of a probe until the service has closed its end', async (t) => {
      const { set, fd, openProbe } = await steered(t, addressOf(t));
      const probe = openProbe();
      probe.close();
      assert.equal(set.queued(1), 0);
      assert.ok(isOpen(probe.fd));
      const accepted = acceptSocket(fd);
      assert.ok(accepted);
      assert.equal(peekConnection(accepted.fd), 'ended');
      assert.equal(set.queued(1), 0);
      // Later data of the service is read: a descriptor closed before would answer with a reset.
      assert.ok(isOpen(probe.fd));
      writeSync(accepted.fd, '220 hi\r\n');
      await reported();
      assert.equal(peekConnection(accepted.fd), 'ended');
      closeFd(accepted.fd);
      await reported();
      assert.equal(isOpen(probe.fd), false);
    });

    test('releases a closed probe when the service closes it', async (t) => {
      const { fd, openProbe } = await steered(t, addressOf(t));
      const probe = openProbe();
      probe.close();
      assert.equal(emptied(fd), 1);
      await reported();
      assert.equal(isOpen(probe.fd), false);
    });

    test('releases closed probes with the listener', async (t) => {
      const { acquired, openProbe } = await steered(t, addressOf(t));
      const [closed, open] = [openProbe(), openProbe()];
      closed.close();
      acquired.release();
      assert.deepEqual([isOpen(closed.fd), isOpen(open.fd)], [false, true]);
      open.close();
      assert.equal(isOpen(open.fd), false);
    });

    test('is not reported to a watch while only probes wait', async (t) => {
      const { openProbe, connect, watch } = await steered(t, addressOf(t));
      openProbe().close();
      const calls = watch();
      await reported();
      openProbe();
      await reported();
      assert.deepEqual(calls, []);
      connect();
      await reported();
      assert.deepEqual(calls, ['queued']);
      const later = watch();
      await reported();
      assert.deepEqual([calls, later], [['queued'], ['queued']]);
    });

    test('is reported to a new watch when a client waits behind a probe', async (t) => {
      const { openProbe, connect, watch } = await steered(t, addressOf(t));
      openProbe();
      connect();
      const calls = watch();
      await reported();
      assert.deepEqual(calls, ['queued']);
    });
  });
}

test('a watch of a queue with only probes does not poll', async (t) => {
  const { fd, openProbe, connect } = await steered(t, '127.0.0.1:0');
  openProbe();
  let looks = 0;
  const clients = (): number => {
    looks += 1;
    return looks > 1 ? 1 : 0;
  };
  const watch = new LaneWatch(fd, { clients }, null);
  t.after(() => watch.close());
  let calls = 0;
  const call = () => {
    calls += 1;
  };
  watch.add('queued', { call });
  for (let round = 0; round < 10; round += 1) await reported();
  assert.deepEqual([looks, calls], [1, 0]);
  connect();
  await reported();
  assert.deepEqual([looks, calls], [2, 1]);
});

test('an unreadable queue is reported as one with clients', async (t) => {
  const { fd, openProbe } = await steered(t, '127.0.0.1:0');
  openProbe();
  const clients = () => {
    throw new Error('no memory');
  };
  const watch = new LaneWatch(fd, { clients }, null);
  t.after(() => watch.close());
  await new Promise<void>((resolve) => watch.add('queued', { call: resolve }));
});

test('a caller that comes while a lane is repaired is called, and one that leaves is not', async (t) => {
  const fd = keepOpen(t, openSocket('inet', 'stream'));
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(fd, 16);
  const calls: string[] = [];
  const caller = (name: string) => ({ call: () => void calls.push(name) });
  const [early, gone, late] = ['early', 'gone', 'late'].map(caller);
  assert.ok(early && gone && late);
  const watch = new LaneWatch(fd, { clients: () => 1 }, () => {
    watch.remove(gone);
    watch.add('queued', late);
    listenSocket(fd, 16);
    return true;
  });
  t.after(() => watch.close());
  watch.add('queued', early);
  watch.add('queued', gone);
  shutDown(fd);
  await reported();
  connectSocket(keepOpen(t, openSocket('inet', 'stream')), localAddress(fd));
  await reported();
  assert.deepEqual(calls, ['early', 'late']);
});

test('a connection that verified the index of a passed lane is not a client', async (t) => {
  const { set, fd, length } = await steered(t, '127.0.0.1:0');
  shutDown(fd);
  assert.deepEqual(
    set.laneFaults().map(({ lane, kind }) => [lane, kind]),
    [[1, 'shut_down']],
  );
  assert.deepEqual([length(), set.queued(1)], [1, 0]);
});

test('a probe that finds the queue full is not kept when it is closed', async (t) => {
  const { set, openProbe, connect, length } = await steered(t, '127.0.0.1:0', { backlog: 1 });
  connect();
  connect();
  const probe = openProbe();
  assert.deepEqual([length(), set.queued(1)], [2, 2]);
  probe.close();
  assert.equal(isOpen(probe.fd), false);
  assert.equal(set.queued(1), 2);
});

test('no client gets the port of a closed probe that waits', async (t) => {
  const { openProbe, fd } = await steered(t, '127.0.0.1:0');
  const probe = openProbe();
  probe.close();
  const { local } = probe;
  const same = keepOpen(t, openSocket('inet', 'stream'));
  assert.throws(() => bindSocket(same, local), { code: 'EADDRINUSE' });
  assert.equal(emptied(fd), 1);
});
