import assert from 'node:assert/strict';
import { once } from 'node:events';
import { linkSync, renameSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import {
  canDiagnoseTcp,
  holderOf,
  type InetAddress,
  listenersOn,
  tcpConnectionsOn,
  tcpSocket,
  unixSocket,
  unixSocketsAt,
} from '../../../src/linux/sock_diag.ts';
import type { SocketAddress } from '../../../src/linux/sockaddr.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
  setOption,
} from '../../../src/linux/sockets.ts';
import { listenQueues, socketCookie } from '../../support/sockets.ts';
import { ended, start, temporaryFolder } from './support.ts';

const open: number[] = [];
const keep = (fd: number) => {
  open.push(fd);
  return fd;
};
after(() => {
  for (const fd of open) closeFd(fd);
});
const folder = temporaryFolder();
const uid = process.geteuid?.() ?? 0;

function inet(address: SocketAddress): InetAddress {
  assert.notEqual(address.family, 'unix');
  return address as InetAddress;
}

function listen(
  family: 'inet' | 'inet6',
  host: string,
  port = 0,
  backlog = 8,
): { fd: number; address: InetAddress } {
  const fd = keep(openSocket(family, 'stream'));
  setOption(fd, 'reuse_port', 1);
  bindSocket(fd, { family, host, port });
  listenSocket(fd, backlog);
  return { fd, address: inet(localAddress(fd)) };
}

function connect(family: 'inet' | 'inet6', host: string, port: number): { fd: number; address: InetAddress } {
  const fd = openSocket(family, 'stream');
  connectSocket(fd, { family, host, port });
  return { fd, address: inet(localAddress(fd)) };
}

function accept(listener: number): number {
  const accepted = acceptSocket(listener);
  assert.ok(accepted);
  return accepted.fd;
}

test('listeners of a port are listed: IPv4 and IPv6, every lane', () => {
  const first = listen('inet', '127.0.0.1');
  const { port } = first.address;
  const second = listen('inet', '127.0.0.1', port);
  const third = openSocket('inet6', 'stream');
  keep(third);
  setOption(third, 'ipv6_only', 1);
  bindSocket(third, { family: 'inet6', host: '::1', port });
  listenSocket(third, 3);
  const byInode = (a: { inode: number }, b: { inode: number }) => a.inode - b.inode;
  assert.deepEqual(
    listenersOn(port).sort(byInode),
    [
      { inode: inodeOf(first.fd), uid, address: first.address },
      { inode: inodeOf(second.fd), uid, address: first.address },
      { inode: inodeOf(third), uid, address: { family: 'inet6', host: '::1', port } as const },
    ].sort(byInode),
  );
  assert.deepEqual(listenersOn(1), []);
  assert.equal(canDiagnoseTcp(), true);
});

test('accept queues and backlogs are read', () => {
  const { fd, address } = listen('inet', '127.0.0.1', 0, 5);
  const queue = () => listenQueues(address.port);
  assert.deepEqual(queue(), [
    { inode: inodeOf(fd), cookie: socketCookie(fd), address, rqueue: 0, wqueue: 5 },
  ]);
  const clients = [1, 2, 3].map(() => connect('inet', '127.0.0.1', address.port).fd);
  assert.equal(queue()[0]?.rqueue, 3);
  closeFd(accept(fd));
  assert.equal(queue()[0]?.rqueue, 2);
  listenSocket(fd, 7);
  assert.equal(queue()[0]?.wqueue, 7);
  for (const client of clients) closeFd(client);
});

for (const [title, listenFamily, listenHost, family, host] of [
  ['IPv4', 'inet', '127.0.0.1', 'inet', '127.0.0.1'],
  ['IPv6', 'inet6', '::1', 'inet6', '::1'],
  ['IPv4 on a dual-stack listener', 'inet6', '', 'inet', '127.0.0.1'],
] as const) {
  test(`${title}: an exact lookup reports each state of a connection`, () => {
    const listener = listen(listenFamily, listenHost);
    const { port } = listener.address;
    const server: InetAddress = { family, host, port };
    const client = connect(family, host, port);
    const waiting = tcpSocket(server, client.address);
    assert.equal(waiting?.state, 'ESTABLISHED');
    assert.equal(waiting.inode, 0);
    const accepted = accept(listener.fd);
    const seen = tcpSocket(server, client.address);
    assert.equal(seen?.inode, inodeOf(accepted));
    assert.equal(seen.cookie, socketCookie(accepted));
    assert.equal(seen.rqueue, 0);
    assert.deepEqual(seen.remote.port, client.address.port);
    writeSync(client.fd, 'hello');
    assert.equal(tcpSocket(server, client.address)?.rqueue, 5);
    assert.equal(tcpSocket(client.address, server)?.inode, inodeOf(client.fd));
    closeFd(client.fd);
    assert.equal(tcpSocket(server, client.address)?.state, 'CLOSE_WAIT');
    closeFd(accepted);
    assert.notEqual(tcpSocket(server, client.address)?.state, 'CLOSE_WAIT');
    const nobody = tcpSocket(server, { family, host, port: 1 });
    assert.equal(nobody?.state, 'LISTEN');
    assert.equal(nobody.inode, inodeOf(listener.fd));
  });
}

test('an unknown socket is not found', () => {
  const { fd, address } = listen('inet', '127.0.0.1');
  open.splice(open.indexOf(fd), 1);
  closeFd(fd);
  assert.equal(tcpSocket(address, { family: 'inet', host: '127.0.0.1', port: 1 }), null);
});

test('connections of a port are listed in slices, with the times of their last data', () => {
  const { fd, address } = listen('inet', '127.0.0.1', 0, 300);
  const other = listen('inet', '127.0.0.1', 0, 300);
  const clients = Array.from({ length: 200 }, () => connect('inet', '127.0.0.1', address.port));
  const accepted = clients.map(() => accept(fd));
  const foreign = connect('inet', '127.0.0.1', other.address.port).fd;
  writeSync(clients[0]?.fd ?? -1, 'abc');
  const slices = [...tcpConnectionsOn(address.port)];
  assert.ok(slices.length > 1, 'more than one receive');
  const all = slices.flat();
  assert.deepEqual(new Set(all.map(({ inode }) => inode)), new Set(accepted.map(inodeOf)));
  assert.deepEqual(new Set(all.map(({ cookie }) => cookie)), new Set(accepted.map(socketCookie)));
  assert.deepEqual(
    all.map(({ rqueue }) => rqueue).filter((bytes) => bytes > 0),
    [3],
  );
  for (const { state, lastSentMs, lastReceivedMs } of all) {
    assert.equal(state, 'ESTABLISHED');
    assert.ok(lastSentMs !== null && lastSentMs >= 0 && lastSentMs < 60_000);
    assert.ok(lastReceivedMs !== null && lastReceivedMs >= 0 && lastReceivedMs < 60_000);
  }
  assert.deepEqual(
    [...tcpConnectionsOn(address.port, ['LISTEN'])].flat().map(({ inode }) => inode),
    [inodeOf(fd)],
  );
  for (const connection of [...clients.map((client) => client.fd), ...accepted, foreign]) closeFd(connection);
});

test('an unfinished walk releases its descriptor', () => {
  const { address, fd } = listen('inet', '127.0.0.1');
  const client = connect('inet', '127.0.0.1', address.port).fd;
  const probe = keep(openSocket('inet', 'stream'));
  for (const slice of tcpConnectionsOn(address.port)) {
    assert.ok(slice.length > 0);
    break;
  }
  assert.equal(keep(openSocket('inet', 'stream')), probe + 1);
  closeFd(accept(fd));
  closeFd(client);
});

test('Unix sockets are found by path and by the file that exists now', () => {
  const path = join(folder, 'public.sock');
  const make = (name: string) => {
    const fd = keep(openSocket('unix', 'stream'));
    bindSocket(fd, { family: 'unix', path: name });
    listenSocket(fd, 4);
    return fd;
  };
  const first = make(path);
  const [found, ...more] = unixSocketsAt(path);
  assert.equal(found?.inode, inodeOf(first));
  assert.equal(found.cookie, socketCookie(first));
  assert.deepEqual(
    { ...found, inode: 0, cookie: 0n },
    {
      inode: 0,
      cookie: 0n,
      type: 'stream',
      listening: true,
      path,
      peer: null,
      rqueue: 0,
      wqueue: 4,
    },
  );
  assert.deepEqual(more, []);
  const second = make(join(folder, 'lane.sock'));
  linkSync(join(folder, 'lane.sock'), join(folder, 'temporary'));
  renameSync(join(folder, 'temporary'), path);
  assert.deepEqual(
    unixSocketsAt(path).map(({ inode }) => inode),
    [inodeOf(second)],
  );
  assert.deepEqual(unixSocketsAt(join(folder, 'nothing')), []);
});

test('a Unix connection has no peer before it is accepted', () => {
  const path = `@zero-diag-${process.pid}`;
  const listener = keep(openSocket('unix', 'stream'));
  bindSocket(listener, { family: 'unix', path });
  listenSocket(listener, 4);
  const client = keep(openSocket('unix', 'stream'));
  assert.equal(unixSocket(inodeOf(client))?.peer, null);
  connectSocket(client, { family: 'unix', path });
  assert.equal(unixSocket(inodeOf(client))?.peer, 0);
  assert.equal(unixSocket(inodeOf(listener))?.rqueue, 1);
  const accepted = keep(accept(listener));
  assert.equal(unixSocket(inodeOf(client))?.peer, inodeOf(accepted));
  assert.deepEqual(
    unixSocketsAt(path).map(({ inode }) => inode),
    [inodeOf(listener)],
  );
  assert.equal(unixSocket(0xfffffff0), null);
});

test('the holders of a socket are found', async () => {
  const fd = openSocket('inet', 'stream');
  const inode = inodeOf(fd);
  const pipe = openPipe();
  const output = openPipe();
  const pid = start({
    path: '/bin/cat',
    argv: ['cat', '-', '/dev/null'],
    descriptors: new Map([
      [0, pipe.read],
      [1, output.write],
      [7, fd],
    ]),
  });
  for (const given of [pipe.read, output.write, fd]) closeFd(given);
  // Its command line is empty for a moment after execve(2) has resumed its parent.
  const stdout = new Socket({ fd: output.read });
  writeSync(pipe.write, 'x');
  await once(stdout, 'data');
  assert.deepEqual(holderOf(inode), { pid, command: 'cat - /dev/null' });
  closeFd(pipe.write);
  await ended(pid);
  stdout.destroy();
  assert.equal(holderOf(inode), null);
});

test('a kernel or container without sock_diag is reported', () => {
  const restore = useLibc({ socket: () => -1, errno: () => errnoNumber('EPROTONOSUPPORT') });
  assert.equal(canDiagnoseTcp(), false);
  assert.throws(() => listenersOn(80), { code: 'EPROTONOSUPPORT', message: /netlink sock_diag/ });
  restore();
  const silent = useLibc({ recv: () => -1, errno: () => errnoNumber('EAGAIN') });
  assert.throws(() => listenersOn(80), { code: 'EAGAIN', syscall: 'recv' });
  silent();
});
