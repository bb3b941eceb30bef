import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble, attachReuseport, ret } from '../../../../src/linux/bpf.ts';
import { errnoNumber } from '../../../../src/linux/errors.ts';
import { rawCall, useLibc } from '../../../../src/linux/libc.ts';
import { getOption, inodeOf, listenSocket } from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import { listenQueues } from '../../../support/sockets.ts';
import { type acquire, connect, listener, only, portOf, readAll, serve } from '../fixture.ts';
import { laneOf, tally, to } from './lane-support.ts';

async function steered(t: Parameters<typeof acquire>[0], address = '127.0.0.1:0', lanes = 4) {
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('http', address)], lanes);
  t.after(() => acquired.release());
  return { set, acquired, http: only(acquired) };
}

const FAMILIES = [
  ['IPv4', '127.0.0.1:0', '127.0.0.1'],
  ['IPv6', '[::1]:0', '::1'],
  ['dual stack by IPv4', ':0', '127.0.0.1'],
  ['dual stack by IPv6', ':0', '::1'],
] as const;

for (const [name, address, host] of FAMILIES) {
  test(`${name}: a canary of 10 % gets 9 to 11 % of 20,000 connections`, async (t) => {
    const { set, http } = await steered(t, address);
    set.steer(to([0], { canary: { percent: 10, by: 'connection', lanes: [2] } }));
    const [main = 0, canary = 0] = tally(http, [0, 2], 20_000, { host });
    t.diagnostic(`${canary} of ${main + canary}`);
    assert.ok(canary >= 1800 && canary <= 2200, `${canary} of ${main + canary}`);
  });
}

test('by address each client stays on one side, and the share is that of the clients', async (t) => {
  const { set, http } = await steered(t);
  const clients = Array.from({ length: 2000 }, (_, index) => `127.9.${index >> 8}.${index & 255}`);
  const sides = (percent: number) => {
    set.steer(to([0], { canary: { percent, by: 'address', lanes: [1] } }));
    return clients.map((from) => laneOf(http, [0, 1], { from }));
  };
  const first = sides(10);
  const again = sides(10);
  const more = sides(30);
  assert.deepEqual(again, first);
  const share = (found: readonly number[]) => found.filter((lane) => lane === 1).length;
  t.diagnostic(`10 %: ${share(first)}, 30 %: ${share(more)} of 2000 neighbouring clients`);
  // Standard deviations 13 and 20. The bounds are five of them.
  assert.ok(Math.abs(share(first) - 200) < 67, `${share(first)}`);
  assert.ok(Math.abs(share(more) - 600) < 103, `${share(more)}`);
  assert.ok(
    first.every((lane, index) => lane === 0 || more[index] === 1),
    'who was in the canary stays in it',
  );
});

test('eight lanes get even shares, contiguous or not', async (t) => {
  const { set, http } = await steered(t, '127.0.0.1:0', 16);
  for (const lanes of [
    [4, 5, 6, 7, 8, 9, 10, 11],
    [0, 2, 3, 5, 8, 9, 13, 15],
  ]) {
    set.steer(to(lanes));
    const counts = tally(http, lanes, 20_000);
    const expected = 20_000 / 8;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    t.diagnostic(`${counts.join(' ')}: chi-squared ${chi.toFixed(1)}`);
    // 7 degrees of freedom: p = 1e-6 at 40.5.
    assert.ok(chi < 40.5, `chi-squared ${chi}`);
  }
});

test('the canary is spread over its lanes by a separate random number', async (t) => {
  const { set, http } = await steered(t);
  set.steer(to([0, 1], { canary: { percent: 50, by: 'connection', lanes: [2, 3] } }));
  const counts = tally(http, [0, 1, 2, 3], 4000);
  const chi = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 3 degrees of freedom: p = 1e-6 at 30.7.
  assert.ok(chi < 30.7, counts.join(' '));
});

test('a preview is reached only from its addresses', async (t) => {
  const { set, http } = await steered(t);
  set.steer(to([0], { preview: [1], previewFrom: ['127.77.0.1', '127.78.0.0/16'] }));
  const sides = ['127.77.0.1', '127.77.0.2', '127.78.0.0', '127.78.255.9', '127.79.0.1', '127.0.0.1'];
  assert.deepEqual(
    sides.map((from) => laneOf(http, [0, 1], { from })),
    [1, 0, 1, 1, 0, 0],
  );
  set.steer(to([0]));
  assert.equal(laneOf(http, [0, 1], { from: '127.77.0.1' }), 0);
});

test('a preview is reached by IPv6, and by IPv4 on a dual-stack listener', async (t) => {
  const { set, http } = await steered(t, ':0');
  set.steer(to([0], { preview: [1], previewFrom: ['::1', '127.77.0.1'] }));
  assert.equal(laneOf(http, [0, 1], { host: '::1' }), 1);
  assert.equal(laneOf(http, [0, 1], { from: '127.77.0.1' }), 1);
  assert.equal(laneOf(http, [0, 1]), 0);
});

test('lanes are created at bind, and all connections use the first one until steering', async (t) => {
  const { http, set } = await steered(t);
  // One more than the lanes: the socket through which programs are attached.
  assert.equal(listenQueues(portOf(http)).length, 5);
  assert.equal(set.snapshot()[0]?.lanes.length, 5);
  assert.equal(set.snapshot()[0]?.fd, http.fd);
  assert.deepEqual(tally(http, [0, 1, 2, 3], 200), [200, 0, 0, 0]);
});

test('lanes can join at the end later, while clients wait in the others', async (t) => {
  const { set, acquired, http } = await steered(t, '127.0.0.1:0', 2);
  const waiting = await connect(t, { host: '127.0.0.1', port: portOf(http) });
  set.steer(to([7]));
  assert.equal(laneOf(http, [1, 7]), 7);
  set.ensureLanes(12);
  set.steer(to([11]));
  assert.equal(laneOf(http, [7, 11]), 11);
  assert.equal(set.queued(0), 1);
  serve(t, http.fdOf(0), 'late');
  assert.equal(await readAll(waiting), 'late');
  assert.equal(acquired.listeners[0]?.steered, true);
});

test('the port survives a shutdown(2) by a service, also if the kernel chose it', async (t) => {
  const { http } = await steered(t);
  const ports = listenQueues(portOf(http)).map(({ address }) => address.port);
  assert.equal(new Set(ports).size, 1);
});

test('a lane that was passed to a worker keeps its program', async (t) => {
  const { set, http } = await steered(t);
  const lane = http.fdOf(1);
  assert.throws(() => attachReuseport(lane, assemble([ret(1)])), { code: 'EPERM' });
  set.steer(to([2]));
  assert.equal(laneOf(http, [0, 1, 2]), 2);
});

test('steering works after all lanes were passed to workers', async (t) => {
  const { set, http } = await steered(t, '127.0.0.1:0', 2);
  for (const lane of [0, 1, 2, 3, 4, 5]) {
    set.ensureLanes(lane + 1);
    http.fdOf(lane);
    set.steer(to([lane]));
    assert.equal(laneOf(http, [0, lane]), lane);
  }
});

test('each changed listener is steered to lanes of a generation that has it', async (t) => {
  const set = new ListenerSet();
  const spec = (...names: string[]) => names.map((name) => listener(name, '127.0.0.1:0'));
  const old = await set.acquire(spec('kept', 'removed'), 2);
  const find = (acquired: typeof old, name: string) => {
    const found = acquired.listeners.find((one) => one.name === name);
    assert.ok(found);
    return found;
  };
  for (const one of old.listeners) one.fdOf(0);
  set.steer(to([0]));
  const young = await set.acquire(spec('kept', 'added'), 2);
  t.after(() => young.release());
  for (const one of young.listeners) one.fdOf(1);
  // Only the candidate has it.
  assert.equal(laneOf(find(young, 'added'), [1]), 1);
  const canary = { percent: 100, by: 'connection', lanes: [1] } as const;
  set.steer(to([0], { canary }));
  assert.equal(laneOf(find(old, 'removed'), [0]), 0);
  set.steer(to([1]));
  assert.equal(laneOf(find(young, 'kept'), [1]), 1);
  assert.equal(laneOf(find(young, 'added'), [1]), 1);
  assert.equal(laneOf(find(old, 'removed'), [0]), 0);
  const port = portOf(find(old, 'removed'));
  old.release();
  assert.deepEqual(listenQueues(port), []);
});

test('a second generation has the same lanes', async (t) => {
  const set = new ListenerSet();
  const first = only(await acquireWith(t, set, 4));
  const second = only(await acquireWith(t, set, 6));
  assert.equal(portOf(first), portOf(second));
  assert.equal(inodeOf(first.fdOf(2)), inodeOf(second.fdOf(2)));
  assert.equal(listenQueues(portOf(first)).length, 7);
});

test('backlog and defer_accept are set when the workers of the lanes are ready', async (t) => {
  const set = new ListenerSet();
  const config = listener('http', '127.0.0.1:0', { backlog: 40, options: { defer_accept: 3 } });
  const acquired = await set.acquire([config], 2);
  t.after(() => acquired.release());
  const http = only(acquired);
  const [first, second] = [http.fdOf(0), http.fdOf(1)];
  assert.equal(getOption(first, 'defer_accept'), 0);
  listenSocket(first, 5);
  set.relisten(acquired, [0]);
  assert.ok(getOption(first, 'defer_accept') >= 3);
  assert.equal(getOption(second, 'defer_accept'), 0);
  const backlogs = new Map(listenQueues(portOf(http)).map(({ inode, wqueue }) => [inode, wqueue]));
  assert.equal(backlogs.get(inodeOf(first)), 40);
  const probe = set.openProbe(acquired, 'http', 0);
  assert.equal(getOption(first, 'defer_accept'), 0, 'a probe would never come through');
  probe.close();
  set.relisten(acquired);
  assert.ok(getOption(second, 'defer_accept') >= 3);
});

test('a change between steered and shared needs a restart', async (t) => {
  const { set } = await steered(t);
  await assert.rejects(set.acquire([listener('http', '127.0.0.1:0', { steer: false })], 4), {
    message: 'tcp 127.0.0.1:0: cannot change steer of a bound listener: needs a restart',
  });
  await assert.rejects(set.acquire([listener('http', '127.0.0.1:0')], 0), /needs a restart/);
});

test('datagrams cannot be steered', async () => {
  await assert.rejects(new ListenerSet().acquire([listener('dns', 'udp:127.0.0.1:0', { steer: true })], 2), {
    message: 'steer udp 127.0.0.1:0: only connections can be steered, not datagrams',
  });
});

test('the listener is shared if the kernel refuses the program, unless steering is required', async (t) => {
  const SO_ATTACH_REUSEPORT_CBPF = 51;
  let undo = (): void => {};
  const install = (): void => {
    undo = useLibc({
      errno: () => errnoNumber('ENOPROTOOPT'),
      setsockopt: (...args) => {
        if (args[2] === SO_ATTACH_REUSEPORT_CBPF) return -1;
        undo();
        const result = rawCall('setsockopt', ...args);
        install();
        return result;
      },
    });
  };
  install();
  t.after(() => undo());
  const warnings: string[] = [];
  const set = new ListenerSet({ warn: (message) => warnings.push(message) });
  const http = only(await acquireWith(t, set, 4));
  assert.equal(http.steered, false);
  assert.equal(http.fdOf(3), http.fd);
  assert.match(warnings.join(), /^steer tcp 127.0.0.1:0: .*ENOPROTOOPT.*: all generations share one socket$/);
  await assert.rejects(set.acquire([listener('must', '127.0.0.1:0', { steer: true })], 4), {
    listener: 'must',
  });
});

test('lanes are refused on a port that another process shares by SO_REUSEPORT', async (t) => {
  const { http } = await steered(t);
  const other = new ListenerSet().acquire([listener('http', `127.0.0.1:${portOf(http)}`)], 2);
  await assert.rejects(other, { code: 'EADDRINUSE' });
});

async function acquireWith(t: Parameters<typeof acquire>[0], set: ListenerSet, lanes: number) {
  const acquired = await set.acquire([listener('http', '127.0.0.1:0')], lanes);
  t.after(() => acquired.release());
  return acquired;
}

test('an additional lane is created on demand, and steering can still be changed', async (t) => {
  const { set, http } = await steered(t, '127.0.0.1:0', 2);
  for (const lane of [2, 3, 4]) {
    http.fdOf(lane);
    set.steer(to([lane]));
    assert.equal(laneOf(http, [lane]), lane);
  }
  set.steer(to([0]));
  assert.equal(laneOf(http, [0, 1, 2, 3, 4]), 0);
});
