import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOpen } from '../../../src/linux/exec.ts';
import type { SocketFamily } from '../../../src/linux/sockaddr.ts';
import { peerCredentials } from '../../../src/linux/socket-options.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  duplicateAbove,
  getOption,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
  peerAddress,
  type SocketOption,
  setOption,
} from '../../../src/linux/sockets.ts';
import { socketCookie } from '../../support/sockets.ts';
import { readable, temporaryFolder } from './support.ts';

const folder = temporaryFolder();

for (const [family, host] of [
  ['inet', '127.0.0.1'],
  ['inet6', '::1'],
] as const) {
  test(`${family}: sockets bind, listen, connect and accept`, async () => {
    const listener = openSocket(family, 'stream');
    bindSocket(listener, { family, host, port: 0 });
    assert.equal(getOption(listener, 'accept_connections'), 0);
    listenSocket(listener, 16);
    assert.equal(getOption(listener, 'accept_connections'), 1);
    const address = localAddress(listener);
    assert.ok(address.family === family && address.port > 0);
    assert.equal(acceptSocket(listener), null);

    const client = openSocket(family, 'stream');
    connectSocket(client, address);
    await readable(listener);
    const accepted = acceptSocket(listener);
    assert.ok(accepted);
    assert.deepEqual(accepted.peer, localAddress(client));
    assert.deepEqual(peerAddress(client), address);
    assert.throws(() => peerAddress(listener), { code: 'ENOTCONN' });
    for (const fd of [accepted.fd, client, listener]) closeFd(fd);
  });
}

test('a Unix stream has its address and the credentials of the peer', async () => {
  const path = join(folder, 'stream.sock');
  const listener = openSocket('unix', 'stream');
  bindSocket(listener, { family: 'unix', path });
  listenSocket(listener, 1);
  assert.deepEqual(localAddress(listener), { family: 'unix', path });
  const client = openSocket('unix', 'stream');
  connectSocket(client, { family: 'unix', path });
  const accepted = acceptSocket(listener);
  assert.ok(accepted);
  assert.deepEqual(accepted.peer, { family: 'unix', path: '' });
  assert.deepEqual(peerCredentials(accepted.fd), {
    pid: process.pid,
    uid: process.geteuid?.(),
    gid: process.getegid?.(),
  });
  for (const fd of [accepted.fd, client, listener]) closeFd(fd);
});

test('an address can be bound once, a listening one twice only with reuse_port on both', () => {
  const make = (port: number, shared: boolean) => {
    const fd = openSocket('inet', 'stream');
    try {
      if (shared) setOption(fd, 'reuse_port', 1);
      bindSocket(fd, { family: 'inet', host: '127.0.0.1', port });
      listenSocket(fd, 1);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return fd;
  };
  const first = make(0, true);
  const address = localAddress(first);
  const port = address.family === 'inet' ? address.port : 0;
  const second = make(port, true);
  assert.throws(() => make(port, false), { code: 'EADDRINUSE', syscall: 'bind' });
  assert.notEqual(inodeOf(first), inodeOf(second));
  closeFd(first);
  closeFd(second);
});

test('options are set and read on both IP families', () => {
  const options: [SocketOption, SocketFamily[], number][] = [
    ['reuse_address', ['inet', 'inet6', 'unix'], 1],
    ['reuse_port', ['inet', 'inet6'], 1],
    ['ipv6_only', ['inet6'], 1],
    ['free_bind', ['inet', 'inet6'], 1],
    ['no_delay', ['inet', 'inet6'], 1],
    ['keep_alive', ['inet', 'inet6'], 1],
    ['passcred', ['unix'], 1],
    ['fast_open', ['inet', 'inet6'], 16],
  ];
  for (const [option, families, value] of options) {
    for (const family of families) {
      const fd = openSocket(family, 'stream');
      setOption(fd, option, value);
      assert.equal(getOption(fd, option), value, `${option} on ${family}`);
      closeFd(fd);
    }
  }
});

test('free_bind permits an address that the machine does not have', () => {
  for (const [family, host] of [
    ['inet', '192.0.2.7'],
    ['inet6', '2001:db8::7'],
  ] as const) {
    const fd = openSocket(family, 'stream');
    assert.throws(() => bindSocket(fd, { family, host, port: 0 }), { code: 'EADDRNOTAVAIL' });
    setOption(fd, 'free_bind', 1);
    bindSocket(fd, { family, host, port: 0 });
    closeFd(fd);
  }
});

test('the type and the state of a socket are read', () => {
  const fd = openSocket('inet6', 'dgram');
  assert.equal(getOption(fd, 'domain'), 10);
  assert.equal(getOption(fd, 'type'), 2);
  assert.equal(getOption(fd, 'protocol'), 17);
  assert.ok(socketCookie(fd) > 0n);
  assert.equal(readlinkSync(`/proc/self/fd/${fd}`), `socket:[${inodeOf(fd)}]`);
  assert.throws(() => setOption(fd, 'bind_to_device', 'nosuch0'), { syscall: 'setsockopt' });
  closeFd(fd);
});

test('duplicates are numbered from the lowest allowed number', () => {
  const fd = openSocket('inet', 'stream');
  const copy = duplicateAbove(fd, 200);
  assert.ok(copy >= 200);
  assert.equal(inodeOf(copy), inodeOf(fd));
  closeFd(copy);
  assert.equal(isOpen(copy), false);
  assert.equal(isOpen(fd), true);
  closeFd(fd);
  assert.throws(() => duplicateAbove(fd, 3), { code: 'EBADF' });
});
