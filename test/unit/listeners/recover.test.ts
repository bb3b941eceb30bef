import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ListenerConfig } from '../../../src/config/schema.ts';
import type { SocketAddress } from '../../../src/linux/sockaddr.ts';
import {
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import { listenQueues } from '../../support/sockets.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { arrivals, continued, type Dead, died, type Fate } from './dead-supervisor.ts';
import { listener, only } from './fixture.ts';
import { keepOpen, to } from './lanes/lane-support.ts';

function portOf({ snapshot: { address } }: Dead): number {
  if (address.family === 'unix') throw new Error('a Unix socket has no port');
  return address.port;
}

/** Descriptors of these lanes. */
const fdsOf = ({ fds }: Dead, lanes: readonly number[]) => lanes.map((lane) => fds.get(lane) ?? -1);

const FAMILIES = [
  ['IPv4', '127.0.0.1:0', '127.0.0.1'],
  ['IPv6', '[::1]:0', '::1'],
  ['dual stack by IPv4', ':0', '127.0.0.1'],
] as const;

for (const [name, address, host] of FAMILIES) {
  test(`${name}: no connection changes its lane when a kept group is continued`, async (t) => {
    const steering = to([2, 3], { canary: { percent: 20, by: 'address', lanes: [1] } });
    const death = { lanes: 5, steering, given: [1, 2, 3] };
    const dead = await died(t, listener('http', address), death);
    const port = portOf(dead);
    const all = fdsOf(dead, [0, 1, 2, 3, 4, 5]);
    const inodes = listenQueues(port).map(({ inode }) => inode);
    const before = arrivals(port, all, 60, { host });
    assert.deepEqual([before[0], before[4], before[5]], [0, 0, 0]);
    const { set, acquired } = await continued(t, dead, death);
    assert.equal(set.snapshot()[0]?.lanes.length, 6);
    assert.deepEqual(set.snapshot()[0]?.order, [0, 1, 2, 3, 4, 5]);
    for (const lane of [1, 2, 3]) assert.equal(only(acquired).regain(lane), dead.fds.get(lane));
    const after = arrivals(port, all, 60, { host });
    // One address: a client stays on its side of the canary.
    assert.deepEqual([after[0], after[1], after[4], after[5]], [0, before[1], 0, 0]);
    set.steer(to([4]));
    assert.deepEqual(arrivals(port, all, 40, { host }), [0, 0, 0, 0, 40, 0]);
    only(acquired).fdOf(0);
    set.steer(to([0]));
    assert.deepEqual(arrivals(port, all, 40, { host }), [40, 0, 0, 0, 0, 0]);
    assert.deepEqual(set.laneFaults(), []);
    assert.deepEqual(
      listenQueues(port).map(({ inode }) => inode),
      inodes,
    );
  });
}

test('an unrecorded order is found by test connections', async (t) => {
  const death = { steering: to([1]), given: [1] };
  const dead = await died(t, listener('http', '127.0.0.1:0'), death);
  const saved = dead.saved.map((one) => ({ ...one, order: [4, 3, 2, 1, 0] }));
  const { set } = await continued(t, { ...dead, saved }, death);
  for (const lane of [1, 0, 3, 2]) {
    set.steer(to([lane]));
    assert.deepEqual(arrivals(portOf(dead), fdsOf(dead, [lane])), [40]);
  }
});

test('the checks of successive supervisors leave no connection in the queues', async (t) => {
  const death = { steering: to([0]), given: [0, 2] };
  const config = listener('http', '127.0.0.1:0');
  const dead = await died(t, config, death);
  const { set, acquired } = await continued(t, dead, death);
  only(acquired).regain(0);
  for (const _ of set.prepareLanes([0, 1, 2, 3]));
  const queues = listenQueues(portOf(dead)).filter(({ rqueue }) => rqueue > 0);
  // Lane 0 has clients, and a worker that accepts the check.
  assert.deepEqual(
    queues.map(({ inode }) => inode),
    [dead.snapshot.lanes[0]?.inode],
  );
});

for (const network of ['tcp', 'unix']) {
  test(`${network}: test connections of the dead supervisor do not count as waiting clients`, async (t) => {
    const address = network === 'unix' ? `unix:${temporaryFolder(t)}/app.sock` : '127.0.0.1:0';
    const death = { lanes: 3, steering: to([0]), given: [0, 1], probed: [1] };
    const dead = await died(t, listener('app', address, { steer: true }), death);
    const { set, acquired } = await continued(t, dead, death);
    only(acquired).regain(0);
    assert.deepEqual([set.queues().get('app'), set.queued(1)], [0, 1]);
    const client = keepOpen(t, openSocket(network === 'unix' ? 'unix' : 'inet', 'stream'));
    connectSocket(client, dead.snapshot.address);
    assert.equal(set.queues().get('app'), 1);
  });
}

const survivorsOf =
  (lanes: readonly number[], fate: Fate = 'taken') =>
  (lane: number): Fate =>
    lanes.includes(lane) ? fate : 'closed';

test('lanes that closed with the keeper are opened behind those that workers have', async (t) => {
  const death = { lanes: 6, steering: to([3, 4]), given: [1, 2, 3, 4], fate: survivorsOf([1, 2, 3, 4]) };
  const dead = await died(t, listener('http', '127.0.0.1:0'), death);
  const port = portOf(dead);
  const { set, acquired, missing } = await continued(t, dead, death);
  assert.deepEqual(missing, []);
  const [first = 0, second = 0, ...others] = arrivals(port, fdsOf(dead, [3, 4, 1, 2]));
  assert.deepEqual(others, [0, 0]);
  assert.ok(first > 0 && second > 0, `${first} and ${second}`);
  assert.equal(listenQueues(port).length, 7);
  const http = only(acquired);
  for (const lane of [0, 5, 3]) {
    const fd = http.fdOf(lane);
    set.steer(to([lane]));
    assert.deepEqual(arrivals(port, [fd]), [40]);
  }
  assert.deepEqual(set.laneFaults(), []);
  assert.deepEqual(set.foreignSockets(), []);
});

test('a client that connects while the sockets of a dead supervisor close reaches a worker', async (t) => {
  const dead = await died(t, listener('http', '127.0.0.1:0'), { steering: to([3]), given: [3] });
  const port = portOf(dead);
  const [worker = -1, ...others] = fdsOf(dead, [3, 0, 1, 2, 4]);
  const server = createServer((socket) => socket.end('served')).listen({ fd: worker });
  t.after(() => server.close());
  await once(server, 'listening');
  const served: Promise<string>[] = [];
  // Each close makes the program select another socket: the last one of the group takes the index of the closed one.
  for (const fd of others) {
    closeFd(fd);
    const clients = Array.from({ length: 10 }, () => connect(port, '127.0.0.1'));
    served.push(...clients.map((client) => text(client)));
    await setImmediate();
  }
  assert.deepEqual([...new Set(await Promise.all(served))], ['served']);
});

test('a generation without lanes leaves the connections to the others', async (t) => {
  const death = { steering: to([0]), given: [0, 2], fate: survivorsOf([2]) };
  const dead = await died(t, listener('http', '127.0.0.1:0'), death);
  await continued(t, dead, death);
  assert.deepEqual(arrivals(portOf(dead), fdsOf(dead, [2])), [40]);
});

test('connections reach inaccessible sockets, and new lanes from the next change on', async (t) => {
  const death = { steering: to([2]), given: [1, 2], fate: survivorsOf([1, 2], 'out of reach') };
  const dead = await died(t, listener('http', '127.0.0.1:0'), death);
  const port = portOf(dead);
  const [other = -1, worker = -1] = fdsOf(dead, [1, 2]);
  const { set, acquired } = await continued(t, dead, death);
  const http = only(acquired);
  assert.equal(http.regain(2), null);
  assert.deepEqual(arrivals(port, [other, worker]), [0, 40]);
  // The next supervisor requests the same steering again.
  set.steer(to([2]));
  assert.deepEqual(arrivals(port, [other, worker]), [0, 40]);
  assert.deepEqual(set.laneFaults(), []);
  assert.deepEqual(set.foreignSockets(), []);
  assert.equal(set.snapshot()[0]?.lanes[2]?.fd, 0);
  assert.deepEqual(
    set
      .kept()
      .map(({ inode }) => inode)
      .sort(),
    [0, 3, 4].map((lane) => set.snapshot()[0]?.lanes[lane]?.inode ?? 0).sort(),
  );
  assert.throws(() => set.openProbe(acquired, 'http', 2), /the socket of lane 2 could not be recovered/);
  const young = http.fdOf(0);
  set.steer(to([0]));
  assert.deepEqual(arrivals(port, [other, worker, young]), [0, 0, 40]);
  // A worker on that lane gets a new socket. The previous one is a foreign socket until its worker exits.
  const again = http.fdOf(2);
  set.steer(to([2]));
  assert.deepEqual(arrivals(port, [other, worker, young, again]), [0, 0, 0, 40]);
  assert.deepEqual(
    set.foreignSockets().map(({ inode }) => inode),
    [inodeOf(worker)],
  );
});

test('clients in the queue of an inaccessible socket are counted', async (t) => {
  const death = { steering: to([0]), given: [0], fate: survivorsOf([0], 'out of reach') };
  const dead = await died(t, listener('http', '127.0.0.1:0'), death);
  const { set } = await continued(t, dead, death);
  const client = openSocket('inet', 'stream');
  t.after(() => closeFd(client));
  connectSocket(client, { family: 'inet', host: '127.0.0.1', port: portOf(dead) });
  assert.equal(set.queued(0), 1);
  assert.equal(set.queues().get('http'), 1);
});

test('a listener without an open socket is reported missing, and bound again', async (t) => {
  const config = listener('http', '127.0.0.1:0');
  const dead = await died(t, config, { fate: () => 'closed' });
  const { missing, acquired, set } = await continued(t, dead);
  assert.deepEqual(missing, ['http']);
  assert.ok(only(acquired).fd > 0);
  assert.equal(set.snapshot().length, 1);
});

test('a listener without a generation is closed', async (t) => {
  const dead = await died(t, listener('http', '127.0.0.1:0'));
  const set = new ListenerSet();
  const { finish } = set.recover(dead.saved, to([0]));
  assert.equal(listenQueues(portOf(dead)).length, 5);
  finish();
  assert.deepEqual(listenQueues(portOf(dead)), []);
  assert.deepEqual(set.snapshot(), []);
});

test('a host name is not resolved again', async (t) => {
  const free = localPort();
  const dead = await died(t, listener('http', `service.invalid:${free}`));
  const { acquired } = await continued(t, dead);
  assert.equal(only(acquired).fd, dead.fds.get(0));
});

test('a changed backlog of the config reaches every lane', async (t) => {
  const dead = await died(t, listener('http', '127.0.0.1:0', { backlog: 100 }));
  const set = new ListenerSet();
  const { finish } = set.recover(dead.saved, to([0]));
  const acquired = await set.acquire([listener('http', '127.0.0.1:0', { backlog: 200 })], 4);
  t.after(() => acquired.release());
  finish();
  assert.deepEqual(
    listenQueues(portOf(dead)).map(({ wqueue }) => wqueue),
    [200, 200, 200, 200, 200],
  );
});

const SHARED = [
  ['TCP', '127.0.0.1:0', { steer: false }],
  ['UDP', 'udp:127.0.0.1:0', {}],
  ['an abstract name', `unix:@zero-recover-${process.pid}`, {}],
] as const;

for (const [name, address, settings] of SHARED) {
  test(`${name} that is shared keeps its socket`, async (t) => {
    const dead = await died(t, listener('one', address, settings));
    const { set, acquired, missing } = await continued(t, dead);
    assert.deepEqual(missing, []);
    const one = only(acquired);
    assert.equal(one.fdOf(3), dead.fds.get(0));
    assert.equal(one.regain(3), dead.fds.get(0));
    assert.deepEqual(one.address, dead.snapshot.address);
    assert.deepEqual(
      set.kept().map(({ inode }) => inode),
      [dead.snapshot.inode],
    );
  });
}

test('a socket that was passed to the dead supervisor stays a passed one', async () => {
  const fd = openSocket('inet', 'stream');
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(fd, 16);
  const address: SocketAddress = localAddress(fd);
  const config: ListenerConfig = {
    ...listener('web', '127.0.0.1:0'),
    address: { kind: 'passed', network: 'systemd', name: 'http', text: 'systemd:http' },
  };
  const saved = {
    name: 'web',
    config,
    address,
    fd,
    inode: inodeOf(fd),
    lanes: [],
    order: null,
    passedName: 'http',
  };
  const set = new ListenerSet();
  const { finish } = set.recover([saved], to([0]));
  const first = await set.acquire([config], 4);
  finish();
  assert.equal(inodeOf(only(first).fd), saved.inode);
  assert.deepEqual(only(first).address, address);
  assert.equal(set.snapshot()[0]?.passedName, 'http');
  first.release();
  // A later generation has the listener again.
  const second = await set.acquire([config], 4);
  assert.equal(inodeOf(only(second).fd), saved.inode);
  second.release();
  closeFd(fd);
});

/** A port that is free at the moment. */
function localPort(): number {
  const fd = openSocket('inet', 'stream');
  try {
    bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
    const address = localAddress(fd);
    return address.family === 'unix' ? 0 : address.port;
  } finally {
    closeFd(fd);
  }
}
