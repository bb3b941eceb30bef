import assert from 'node:assert/strict';
import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createDatagramSocket, receiveDatagram, sendDatagram } from '../../../src/linux/datagrams.ts';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { closeFd, inodeOf } from '../../../src/linux/sockets.ts';
import { readable, temporaryFolder } from './support.ts';

const folder = temporaryFolder();
const path = join(folder, 'notify');
const socket = createDatagramSocket(path);
after(() => closeFd(socket));
const me = { pid: process.pid, uid: process.geteuid?.(), gid: process.getegid?.() };

test('an empty queue returns nothing', () => {
  assert.equal(receiveDatagram(socket), null);
});

test('datagrams are received one at a time, with their sender', async () => {
  sendDatagram(path, 'READY=1\nSTATUS=up');
  sendDatagram(path, Buffer.from([0xff, 0]));
  await readable(socket);
  const expected = { sender: me, fds: [], truncated: false };
  assert.deepEqual(receiveDatagram(socket), { data: Buffer.from('READY=1\nSTATUS=up'), ...expected });
  assert.deepEqual(receiveDatagram(socket), { data: Buffer.from([0xff, 0]), ...expected });
  assert.equal(receiveDatagram(socket), null);
});

test('an empty datagram is received', () => {
  sendDatagram(path, '');
  assert.equal(receiveDatagram(socket)?.data.length, 0);
});

test('descriptors are received with close-on-exec', () => {
  const pipe = openPipe();
  sendDatagram(path, 'FDSTORE=1', [pipe.read, pipe.write, 0]);
  const datagram = receiveDatagram(socket);
  assert.deepEqual(datagram?.sender, me);
  assert.equal(datagram.fds.length, 3);
  assert.deepEqual(datagram.fds.map(inodeOf), [pipe.read, pipe.write, 0].map(inodeOf));
  assert.equal(datagram.truncated, false);
  for (const fd of [...datagram.fds, pipe.read, pipe.write]) closeFd(fd);
});

test('the maximum number of descriptors of the kernel is received', () => {
  sendDatagram(path, 'x', new Array(253).fill(0));
  const datagram = receiveDatagram(socket);
  assert.equal(datagram?.fds.length, 253);
  assert.equal(datagram.truncated, false);
  for (const fd of datagram.fds) closeFd(fd);
  assert.throws(() => sendDatagram(path, 'x', new Array(254).fill(0)), { code: 'EINVAL' });
});

test('a datagram that is too long is truncated and marked', () => {
  sendDatagram(path, Buffer.alloc(5000, 'x'));
  const datagram = receiveDatagram(socket);
  assert.equal(datagram?.truncated, true);
  assert.equal(datagram.data.length, 4096);
  sendDatagram(path, Buffer.alloc(4096, 'y'));
  assert.equal(receiveDatagram(socket)?.truncated, false);
});

test('the socket gets its mode, and replaces a stale socket', () => {
  const own = join(folder, 'own');
  const first = createDatagramSocket(own, { mode: 0o620 });
  assert.equal(lstatSync(own).mode & 0o777, 0o620);
  closeFd(first);
  const second = createDatagramSocket(own);
  assert.equal(lstatSync(own).mode & 0o777, 0o600);
  sendDatagram(own, 'x');
  assert.equal(receiveDatagram(second)?.data.toString(), 'x');
  closeFd(second);
  assert.throws(() => sendDatagram(own, 'x'), { code: 'ECONNREFUSED' });
});

test('the socket gets its owner', { skip: process.geteuid?.() !== 0 }, () => {
  const own = join(folder, 'owned');
  closeFd(createDatagramSocket(own, { uid: 12, gid: 34 }));
  assert.deepEqual([lstatSync(own).uid, lstatSync(own).gid], [12, 34]);
});

test('a file that is not a socket is kept', () => {
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  assert.throws(() => createDatagramSocket(file), { code: 'EADDRINUSE' });
  assert.ok(existsSync(file));
});

test('a socket whose owner cannot be set leaves no file', { skip: process.geteuid?.() === 0 }, () => {
  const own = join(folder, 'refused');
  assert.throws(() => createDatagramSocket(own, { uid: 0 }), { code: 'EPERM' });
  assert.equal(existsSync(own), false);
});

test('the mode does not depend on the umask, and a failed bind leaves no file', () => {
  const own = join(folder, 'early');
  const restore = useLibc({ bind: () => -1, errno: () => errnoNumber('EIO') });
  assert.throws(() => createDatagramSocket(own), { code: 'EIO' });
  restore();
  assert.equal(existsSync(own), false);
  for (const umask of [0, 0o777]) {
    const before = process.umask(umask);
    const fd = createDatagramSocket(own, { mode: 0o640 });
    process.umask(before);
    assert.equal(lstatSync(own).mode & 0o777, 0o640);
    closeFd(fd);
  }
});

test('abstract names are supported', () => {
  const name = `@zero-test-${process.pid}`;
  const fd = createDatagramSocket(name);
  sendDatagram(name, 'x');
  assert.deepEqual(receiveDatagram(fd)?.sender, me);
  closeFd(fd);
});
