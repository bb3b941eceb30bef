import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { tcpConnectionsOn } from '../../../../src/linux/sock_diag.ts';
import {
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  openSocket,
  setOption,
} from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import type { NamedFault } from '../../../../src/listeners/listeners.ts';
import { listener, only, portOf } from '../fixture.ts';
import { shutDown } from '../shutdown.ts';
import { emptied, keepOpen, laneOf, tally, to } from './lane-support.ts';

async function steered(t: TestContext, lanes = 4, address = '127.0.0.1:0') {
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('http', address)], lanes);
  t.after(() => acquired.release());
  return { set, acquired, http: only(acquired) };
}

/** A foreign socket of the same user that binds the address with SO_REUSEPORT. */
function intrude(port: number, host = '127.0.0.1'): number {
  const fd = openSocket(host.includes(':') ? 'inet6' : 'inet', 'stream');
  setOption(fd, 'reuse_address', 1);
  setOption(fd, 'reuse_port', 1);
  bindSocket(fd, { family: host.includes(':') ? 'inet6' : 'inet', host, port });
  listenSocket(fd, 16);
  return fd;
}

/** Accepts and closes connections: verifications leave empty connections in lanes of workers. */
function drain(http: ReturnType<typeof only>, lanes: readonly number[]): number {
  return lanes.reduce((sum, lane) => sum + emptied(http.fdOf(lane)), 0);
}

test('a lane after shutdown(2) is detected, listens again, and steering stays correct', async (t) => {
  const { set, http } = await steered(t);
  set.steer(to([1]));
  shutDown(http.fdOf(1));
  assert.deepEqual(set.laneFaults(), [{ listener: 'http', lane: 1, kind: 'shut_down' }]);
  assert.deepEqual(set.laneFaults(), []);
  drain(http, [0, 1, 2, 3]);
  for (const lane of [1, 3, 0, 2]) {
    set.steer(to([lane]));
    drain(http, [0, 1, 2, 3]);
    assert.deepEqual(tally(http, [lane], 20), [20]);
  }
});

test('a lane that listens again after shutdown(2) is detected, although it looks unchanged', async (t) => {
  const { set, http } = await steered(t);
  set.steer(to([3]));
  shutDown(http.fdOf(1));
  listenSocket(http.fdOf(1), 128);
  assert.deepEqual(set.laneFaults(), [{ listener: 'http', lane: 1, kind: 'listened_again' }]);
  drain(http, [3]);
  assert.deepEqual(tally(http, [3], 20), [20]);
  set.steer(to([1]));
  drain(http, [1]);
  assert.deepEqual(tally(http, [1], 20), [20]);
});

test('the unknown order of several lanes is found by test connections', async (t) => {
  const { set, http } = await steered(t, 6);
  set.steer(to([0, 1, 2, 3, 4, 5]));
  for (const lane of [4, 0, 2]) shutDown(http.fdOf(lane));
  for (const lane of [2, 4, 0]) listenSocket(http.fdOf(lane), 128);
  shutDown(http.fdOf(5));
  const faults = set.laneFaults();
  assert.deepEqual(
    faults.map(({ lane }) => lane),
    [0, 2, 4, 5],
  );
  for (const lane of [5, 4, 3, 2, 1, 0]) {
    set.steer(to([lane]));
    drain(http, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(tally(http, [lane], 20), [20]);
  }
});

test('preparing a lane detects a wrong index', async (t) => {
  const { set, http } = await steered(t, 6);
  // The set does not see this change, and assumes the old order: the last lane takes the index of the first.
  const first = set.snapshot()[0]?.lanes[1]?.fd ?? -1;
  shutDown(first);
  listenSocket(first, 128);
  Array.from(set.prepareLanes([0, 1, 2, 3, 4, 5]));
  for (const lane of [1, 5, 3, 2, 4]) {
    set.steer(to([lane]));
    assert.deepEqual(tally(http, [lane], 20), [20], `lane ${lane}`);
  }
});

test('preparing a lane leaves no connection in TIME_WAIT', async (t) => {
  const { set, http } = await steered(t, 6);
  const port = portOf(http);
  const left = () =>
    [...tcpConnectionsOn(0, ['TIME_WAIT', 'FIN_WAIT1', 'FIN_WAIT2'])]
      .flat()
      .filter(({ local, remote }) => local.port === port || remote.port === port)
      .map(({ local, remote }) => `${local.port} ${remote.port}`);
  // Another listener may have had the port less than a minute ago.
  const before = new Set(left());
  Array.from(set.prepareLanes([1, 2, 3, 4, 5]));
  assert.deepEqual(
    left().filter((connection) => !before.has(connection)),
    [],
  );
});

test('the index of a lane that was passed to a worker is verified too', async (t) => {
  const { set, http } = await steered(t, 3);
  for (const lane of [0, 1, 2]) http.fdOf(lane);
  set.steer(to([2]));
  assert.equal(drain(http, [0, 1, 2]), 0, 'verified before a worker got it');
  shutDown(http.fdOf(0));
  set.laneFaults();
  assert.ok(drain(http, [2]) > 0, 'an empty connection');
  assert.deepEqual(tally(http, [2], 20), [20]);
});

test('the hang-up of a lane is reported immediately', async (t) => {
  const { set, http } = await steered(t);
  set.steer(to([1]));
  const reportedFaults = new Promise<readonly NamedFault[]>((resolve) => {
    const watch = set.watchFaults((faults) => {
      watch.close();
      resolve(faults);
    });
  });
  shutDown(http.fdOf(1));
  assert.deepEqual(await reportedFaults, [{ listener: 'http', lane: 1, kind: 'shut_down' }]);
  drain(http, [1]);
  assert.equal(laneOf(http, [1]), 1);
});

test('the next hang-up after a repair is reported too', async (t) => {
  const { set, http } = await steered(t);
  let onFaults: (faults: readonly NamedFault[]) => void = () => {};
  const watch = set.watchFaults((faults) => onFaults(faults));
  t.after(() => watch.close());
  for (const lane of [1, 1, 2]) {
    const next = new Promise<readonly NamedFault[]>((resolve) => {
      onFaults = resolve;
    });
    shutDown(http.fdOf(lane));
    assert.deepEqual(await next, [{ listener: 'http', lane, kind: 'shut_down' }]);
  }
});

test('a foreign socket on the address is listed, and gets no connection', async (t) => {
  const { set, http } = await steered(t);
  assert.deepEqual(set.foreignSockets(), []);
  const fd = keepOpen(t, intrude(portOf(http)));
  const [foreign, ...others] = set.foreignSockets();
  assert.deepEqual(others, []);
  assert.equal(foreign?.listener, 'http');
  assert.equal(foreign?.inode, inodeOf(fd));
  assert.equal(foreign?.uid, process.geteuid?.());
  assert.equal(foreign?.holder?.pid, process.pid);
  set.steer(to([2]));
  assert.deepEqual(tally(http, [2], 50), [50]);
});

test('lanes join after a foreign socket, and stay correct when it is closed', async (t) => {
  const { set, http } = await steered(t, 2);
  const foreignSockets = [intrude(portOf(http)), intrude(portOf(http))];
  set.ensureLanes(5);
  for (const lane of [4, 3, 2]) {
    set.steer(to([lane]));
    assert.deepEqual(tally(http, [lane], 20), [20]);
  }
  for (const fd of foreignSockets) closeFd(fd);
  assert.deepEqual(set.laneFaults(), []);
  assert.deepEqual(set.foreignSockets(), []);
  for (const lane of [4, 3, 2]) {
    set.steer(to([lane]));
    drain(http, [2, 3, 4]);
    assert.deepEqual(tally(http, [lane], 20), [20], `lane ${lane}`);
  }
});

test('a foreign socket on the wildcard or on the other family of a dual-stack listener is listed', async (t) => {
  const { set, http } = await steered(t, 2, ':0');
  const fd = keepOpen(t, intrude(portOf(http), '127.0.0.1'));
  assert.deepEqual(
    set.foreignSockets().map(({ inode }) => inode),
    [inodeOf(fd)],
  );
});

test('clients in the queue of a lane are reported once, and again to a caller that requests it again', async (t) => {
  const { set, http } = await steered(t);
  set.steer(to([2]));
  const client = keepOpen(t, openSocket('inet', 'stream'));
  let calls = 0;
  const queued = () =>
    new Promise<void>((resolve) => {
      set.watchLane(2, false, () => {
        calls += 1;
        resolve();
      });
    });
  const first = queued();
  connectSocket(client, { family: 'inet', host: '127.0.0.1', port: portOf(http) });
  assert.equal(set.queued(2), 1);
  await first;
  await queued();
  assert.equal(calls, 2);
  drain(http, [2]);
  assert.equal(set.queued(2), 0);
});

test('an existing watch also covers a later lane', async (t) => {
  const { set, http } = await steered(t, 2);
  const queued = new Promise<void>((resolve) => {
    set.watchLane(5, false, resolve);
  });
  set.steer(to([5]));
  const client = keepOpen(t, openSocket('inet', 'stream'));
  connectSocket(client, { family: 'inet', host: '127.0.0.1', port: portOf(http) });
  await queued;
});
