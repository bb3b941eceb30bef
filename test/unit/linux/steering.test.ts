import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as bpf from '../../../src/linux/bpf.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  listenSocket,
  localAddress,
  openSocket,
  setOption,
} from '../../../src/linux/sockets.ts';

const { assemble, attachReuseport, jeq, jge, ja, ret } = bpf;

interface Lanes {
  lanes: [number, number];
  port: number;
}

/** Two lanes of one address. The first has its program before the second one listens. */
function openLanes(family: 'inet' | 'inet6', host: string, dualStack: boolean): Lanes {
  const make = (port: number) => {
    const fd = openSocket(family, 'stream');
    setOption(fd, 'reuse_port', 1);
    if (family === 'inet6') setOption(fd, 'ipv6_only', dualStack ? 0 : 1);
    bindSocket(fd, { family, host, port });
    return fd;
  };
  const first = make(0);
  const address = localAddress(first);
  const port = address.family === 'unix' ? 0 : address.port;
  listenSocket(first, 1024);
  attachReuseport(first, assemble([ret(0)]));
  const second = make(port);
  listenSocket(second, 1024);
  return { lanes: [first, second], port };
}

/** Connects once for each local end (port 0: any). Returns the lane of each connection. */
function connectEach(
  { lanes, port }: Lanes,
  family: 'inet' | 'inet6',
  host: string,
  locals: readonly { host: string; port: number }[],
): number[] {
  return locals.map((local) => {
    const client = openSocket(family, 'stream');
    setOption(client, 'reuse_address', 1);
    bindSocket(client, { family, ...local });
    // Over loopback the handshake is complete when connect returns.
    connectSocket(client, { family, host, port });
    const accepted = lanes.map((lane) => acceptSocket(lane));
    const lane = accepted.findIndex((connection) => connection !== null);
    // The client sends a reset, so that no TIME_WAIT occupies the port.
    for (const connection of accepted) if (connection) closeFd(connection.fd);
    closeFd(client);
    return lane;
  });
}

/** A few free local ports: bound once to find them, then released. */
function freePorts(family: 'inet' | 'inet6', host: string, count: number): number[] {
  const fds = Array.from({ length: count }, () => {
    const fd = openSocket(family, 'stream');
    bindSocket(fd, { family, host, port: 0 });
    return fd;
  });
  const ports = fds.map((fd) => {
    const address = localAddress(fd);
    return address.family === 'unix' ? 0 : address.port;
  });
  for (const fd of fds) closeFd(fd);
  return ports;
}

const portProgram = (port: number) =>
  assemble([
    bpf.ldb(0),
    bpf.rsh(4),
    jeq(4, 'v4', 'v6'),
    'v4',
    bpf.ldxHeaderLength(0),
    bpf.ldhIndirect(0),
    ja('port'),
    'v6',
    bpf.ldh(40),
    'port',
    jge(port, undefined, 'no'),
    jge(port + 1, 'no'),
    ret(1),
    'no',
    ret(0),
  ]);

for (const [title, family, listenHost, clients] of [
  ['IPv4', 'inet', '127.0.0.1', [['inet', '127.0.0.1']]],
  ['IPv6', 'inet6', '::1', [['inet6', '::1']]],
  [
    'dual stack',
    'inet6',
    '',
    [
      ['inet6', '::1'],
      ['inet', '127.0.0.1'],
    ],
  ],
] as const) {
  for (const [clientFamily, host] of clients) {
    test(`${title} listener, ${clientFamily} client: steering pins, selects by source port, and by share`, () => {
      const group = openLanes(family, listenHost, title === 'dual stack');
      const [first, second] = group.lanes;
      const any = (count: number) => new Array(count).fill({ host, port: 0 });
      const connect = (locals: readonly { host: string; port: number }[]) =>
        connectEach(group, clientFamily, host, locals);

      assert.deepEqual(new Set(connect(any(20))), new Set([0]));
      attachReuseport(second, assemble([ret(1)]));
      assert.deepEqual(new Set(connect(any(20))), new Set([1]));

      const ports = freePorts(clientFamily, host, 6);
      attachReuseport(first, portProgram(ports[2] ?? 0));
      assert.deepEqual(connect(ports.map((port) => ({ host, port }))), [0, 0, 1, 0, 0, 0]);

      attachReuseport(
        first,
        assemble([bpf.random(), jge(Math.floor(2 ** 32 * 0.1), 'stable'), ret(1), 'stable', ret(0)]),
      );
      const chosen = connect(any(600)).filter((lane) => lane === 1).length;
      // Mean 60, standard deviation 7.3. The bounds are seven of them.
      assert.ok(chosen > 8 && chosen < 112, `${chosen} of 600`);
      for (const fd of group.lanes) closeFd(fd);
    });
  }
}

test('steering selects by source address', () => {
  const group = openLanes('inet', '127.0.0.1', false);
  attachReuseport(group.lanes[0], assemble([bpf.ld(12), jeq(0x7f4d0001, 'yes'), ret(0), 'yes', ret(1)]));
  const locals = ['127.0.0.1', '127.77.0.1', '127.77.0.2'].map((host) => ({ host, port: 0 }));
  assert.deepEqual(connectEach(group, 'inet', '127.0.0.1', locals), [0, 1, 0]);
  for (const fd of group.lanes) closeFd(fd);
});

test('a locked lane keeps its program, and an unlocked lane of the group can still change it', () => {
  const group = openLanes('inet', '127.0.0.1', false);
  const [first, second] = group.lanes;
  bpf.lockFilter(second);
  assert.throws(() => attachReuseport(second, assemble([ret(1)])), { code: 'EPERM', syscall: 'setsockopt' });
  attachReuseport(first, assemble([ret(1)]));
  assert.deepEqual(connectEach(group, 'inet', '127.0.0.1', [{ host: '127.0.0.1', port: 0 }]), [1]);
  for (const fd of group.lanes) closeFd(fd);
});

test('invalid programs are refused by the kernel', () => {
  const fd = openSocket('inet', 'stream');
  assert.throws(() => attachReuseport(fd, assemble([ret(0)])), { code: 'EINVAL' });
  setOption(fd, 'reuse_port', 1);
  assert.throws(() => attachReuseport(fd, [{ code: 0x99, jt: 0, jf: 0, k: 0 }]), { code: 'EINVAL' });
  closeFd(fd);
});

for (const [family, host] of [
  ['inet', '127.0.0.1'],
  ['inet6', '::1'],
] as const) {
  test(`${family}: a socket that accepts only local packets joins the group without a connection`, () => {
    const { lanes, port } = openLanes(family, host, false);
    const late = openSocket(family, 'stream');
    setOption(late, 'reuse_port', 1);
    if (family === 'inet6') setOption(late, 'ipv6_only', 1);
    bindSocket(late, { family, host, port });
    const limit = (least: number) => {
      setOption(late, 'min_ttl', least);
      if (family === 'inet6') setOption(late, 'min_hop_count', least);
    };
    limit(255);
    attachReuseport(lanes[0], assemble([ret(2)]));
    listenSocket(late, 16);
    const connect = () => {
      const client = openSocket(family, 'stream');
      connectSocket(client, { family, host, port });
      return client;
    };
    const clients = [connect()];
    attachReuseport(late, assemble([ret(1)]));
    limit(0);
    clients.push(connect());
    assert.equal(acceptSocket(late), null);
    const accepted = [acceptSocket(lanes[1])];
    attachReuseport(late, assemble([ret(2)]));
    clients.push(connect());
    accepted.push(acceptSocket(late));
    assert.ok(accepted.every((one) => one !== null));
    for (const fd of [...lanes, late, ...clients, ...accepted.map((one) => one?.fd ?? -1)]) closeFd(fd);
  });
}
