import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { tcpSocket } from '../../../../src/linux/sock_diag.ts';
import { acceptQueue } from '../../../../src/linux/socket-state.ts';
import {
  acceptSocket,
  closeFd,
  connectSocket,
  inodeOf,
  openSocket,
  setOption,
} from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import { listener, only, portOf, readAll, serve, startProgram } from '../fixture.ts';
import { keepOpen, laneOf, tally, to } from '../lanes/lane-support.ts';
import { shutDown } from '../shutdown.ts';

async function steered(t: TestContext, address = '127.0.0.1:0', settings = {}) {
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('http', address, settings)], 4);
  t.after(() => acquired.release());
  return { set, acquired, http: only(acquired) };
}

for (const [name, address] of [
  ['IPv4', '127.0.0.1:0'],
  ['IPv6', '[::1]:0'],
  ['every IPv4 address', 'tcp4::0'],
  ['every IPv6 address', 'tcp6::0'],
  ['dual stack', ':0'],
] as const) {
  test(`${name}: a probe reaches its lane while client traffic never does`, async (t) => {
    const { set, acquired, http } = await steered(t, address);
    const host = address.includes('[') || address.startsWith('tcp6') ? '::1' : '127.0.0.1';
    set.steer(to([0]));
    const probes = [3, 1, 2, 1].map((lane) => set.openProbe(acquired, 'http', lane));
    assert.deepEqual(tally(http, [0], 200, { host }), [200]);
    for (const probe of probes) {
      assert.equal(probe.accepted(), 'waiting');
      assert.equal(probe.acceptedInode(), null);
      const accepted = acceptSocket(http.fdOf(probe.lane));
      assert.ok(accepted, `lane ${probe.lane}`);
      assert.deepEqual(accepted.peer, probe.local);
      assert.equal(probe.accepted(), 'accepted');
      assert.equal(probe.acceptedInode(), inodeOf(accepted.fd));
      closeFd(accepted.fd);
      assert.equal(probe.acceptedInode(), null);
      probe.close();
      probe.close();
    }
    assert.deepEqual(tally(http, [0], 20, { host }), [20]);
  });
}

test('a probe does not keep the service waiting for a request', async (t) => {
  const { set, acquired, http } = await steered(t);
  const probe = set.openProbe(acquired, 'http', 1);
  t.after(() => probe.close());
  assert.equal(probe.accepted(), 'waiting');
  const accepted = acceptSocket(http.fdOf(1));
  assert.ok(accepted);
  t.after(() => closeFd(accepted.fd));
  assert.equal(readSync(accepted.fd, Buffer.alloc(1)), 0, 'the end of the connection');
  assert.equal(probe.accepted(), 'accepted');
});

test('a probe counts as accepted, whatever the state of its connection', async (t) => {
  const { set, acquired, http } = await steered(t);
  const open = () => {
    const probe = set.openProbe(acquired, 'http', 1);
    t.after(() => probe.close());
    const accepted = acceptSocket(http.fdOf(1));
    assert.ok(accepted);
    return { probe, fd: accepted.fd };
  };
  const closed = open();
  closeFd(closed.fd);
  assert.equal(closed.probe.accepted(), 'accepted', 'FIN_WAIT2');
  const reset = open();
  const socket = await reset.probe.socket();
  await new Promise((resolve) => socket.write('unread', resolve));
  // close(2) with unread data sends a reset (RFC 2525, section 2.17).
  closeFd(reset.fd);
  assert.equal(reset.probe.accepted(), 'accepted', 'reset');
  socket.destroy();
});

test('a probe of a closed lane is reported as lost', async (t) => {
  const { set, acquired, http } = await steered(t);
  const probe = set.openProbe(acquired, 'http', 1);
  t.after(() => probe.close());
  shutDown(http.fdOf(1));
  assert.equal(probe.accepted(), 'gone');
  set.laneFaults();
  assert.equal(set.openProbe(acquired, 'http', 1).accepted(), 'waiting');
});

test('a probe works with defer_accept', async (t) => {
  const { set, acquired, http } = await steered(t, '127.0.0.1:0', { options: { defer_accept: 30 } });
  set.relisten(acquired, [1]);
  const probe = set.openProbe(acquired, 'http', 1);
  t.after(() => probe.close());
  assert.ok(acceptSocket(http.fdOf(1)));
  assert.equal(probe.accepted(), 'accepted');
  setOption(http.fdOf(1), 'defer_accept', 30);
  set.relisten(acquired, [1]);
  const client = keepOpen(t, openSocket('inet', 'stream'));
  set.steer(to([1]));
  connectSocket(client, { family: 'inet', host: '127.0.0.1', port: portOf(http) });
  assert.equal(acceptSocket(http.fdOf(1)), null, 'clients are deferred');
});

test('a probe waits while the queue is full', async (t) => {
  const { set, acquired, http } = await steered(t, '127.0.0.1:0', { backlog: 1 });
  set.steer(to([0]));
  for (let count = 0; count < 3; count += 1) {
    connectSocket(keepOpen(t, openSocket('inet', 'stream')), {
      family: 'inet',
      host: '127.0.0.1',
      port: portOf(http),
    });
  }
  const probe = set.openProbe(acquired, 'http', 0);
  t.after(() => probe.close());
  assert.equal(probe.accepted(), 'waiting');
});

test('a probe can be used as an ordinary connection', async (t) => {
  const { set, acquired, http } = await steered(t);
  serve(t, http.fdOf(2), 'hello from the candidate');
  const probe = set.openProbe(acquired, 'http', 2);
  assert.equal(await readAll(await probe.socket()), 'hello from the candidate');
  assert.equal(probe.accepted(), 'accepted');
  probe.close();
  await assert.rejects(probe.socket(), /closed/);
});

test('no probe leaves the machine, or uses an address outside of the listener', async (t) => {
  // No machine has 192.0.2.77 (RFC 5737).
  const foreign = await steered(t, '192.0.2.77:0', { options: { free_bind: true } });
  foreign.set.steer(to([1]));
  assert.throws(() => foreign.set.openProbe(foreign.acquired, 'http', 0), {
    message: 'probe tcp 192.0.2.77:0: this machine does not have the address 192.0.2.77',
  });
  const shared = await steered(t, '127.0.0.1:0', { steer: false });
  assert.throws(() => shared.set.openProbe(shared.acquired, 'http', 0), /not steered/);
});

test('with bind_to_device only lo can be probed', { skip: process.geteuid?.() !== 0 }, async (t) => {
  const lo = await steered(t, '127.0.0.1:0', { options: { bind_to_device: 'lo' } });
  lo.set.steer(to([1]));
  assert.equal(laneOf(lo.http, [0, 1]), 1);
});

test('a process that listens without accepting does not pass', async (t) => {
  const { set, acquired, http } = await steered(t);
  // A stopped process holds the socket, and the kernel completes handshakes for it.
  const { child } = await startProgram(t, 'console.log("up"); setInterval(() => {}, 1e6)');
  child.kill('SIGSTOP');
  const probe = set.openProbe(acquired, 'http', 1);
  t.after(() => probe.close());
  assert.equal(probe.local.family, 'inet');
  for (let look = 0; look < 300; look += 1) assert.equal(probe.accepted(), 'waiting');
  assert.equal(acceptQueue(http.fdOf(1)), 1);
  assert.equal(set.queued(1), 0);
});

test('the costs of a verification and of a probe are bounded', async (t) => {
  const set = new ListenerSet();
  const begin = performance.now();
  const acquired = await set.acquire([listener('http', '127.0.0.1:0')], 32);
  t.after(() => acquired.release());
  const bound = performance.now();
  Array.from(set.prepareLanes(Array.from({ length: 32 }, (_, lane) => lane)));
  const proved = performance.now();
  for (let lane = 0; lane < 32; lane += 1) set.steer(to([lane]));
  const steeredAt = performance.now();
  const probe = set.openProbe(acquired, 'http', 1);
  const opened = performance.now();
  for (let look = 0; look < 1000; look += 1) probe.accepted();
  const looked = performance.now();
  for (let look = 0; look < 100; look += 1) set.foreignSockets();
  const listed = performance.now();
  set.laneFaults();
  const checked = performance.now();
  probe.close();
  const ms = (value: number) => value.toFixed(3);
  t.diagnostic(
    `bind 32 lanes ${ms(bound - begin)} ms; prove ${ms((proved - bound) / 32)} a lane; steer ${ms((steeredAt - proved) / 32)}; ` +
      `probe ${ms(opened - steeredAt)}; look ${ms((looked - opened) / 1000)}; foreignSockets ${ms((listed - looked) / 100)}; faults ${ms(checked - listed)}`,
  );
  const { local, remote } = probe;
  assert.ok(local.family === 'inet' && remote.family === 'inet');
  assert.equal(tcpSocket(local, remote)?.state !== 'ESTABLISHED', true);
});
