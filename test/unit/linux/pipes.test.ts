import assert from 'node:assert/strict';
import { lstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOpen, setCloseOnExec } from '../../../src/linux/exec.ts';
import { tryLock } from '../../../src/linux/files/own-files.ts';
import {
  makeFifo,
  openOutputPipe,
  openPipe,
  openPipeOf,
  openReadWrite,
  openReadyPipe,
  readNow,
  setPipeSize,
} from '../../../src/linux/pipes.ts';
import { closeFd, inodeOf } from '../../../src/linux/sockets.ts';
import { setNonBlocking } from '../../support/sockets.ts';
import { ended, readAll, startShell, temporaryFolder } from './support.ts';

const folder = temporaryFolder();

test('a writer with a read-write end survives the exit of the reader', async () => {
  const { read, write } = openPipe();
  const both = openReadWrite(write);
  closeFd(write);
  closeFd(read);
  const said = openPipe();
  const descriptors = new Map([
    [1, both],
    [2, said.write],
  ]);
  const pid = startShell('echo into the void; echo alive >&2', descriptors);
  closeFd(said.write);
  assert.equal((await readAll(said.read)).toString(), 'alive\n');
  assert.deepEqual(await ended(pid), { kind: 'exited', code: 0 });
  closeFd(both);
});

test('a writer of a plain pipe is killed', async () => {
  const { read, write } = openPipe();
  closeFd(read);
  const pid = startShell('echo into the void', new Map([[1, write]]));
  assert.deepEqual(await ended(pid), { kind: 'signaled', signal: 'SIGPIPE', coreDumped: false });
  closeFd(write);
});

test('the writer of a ready pipe survives the exit of the reader, and its close is detected', async () => {
  const { read, write } = openReadyPipe();
  const pid = startShell('echo ready >&3; exec 3>&-', new Map([[3, write]]));
  closeFd(write);
  assert.equal((await readAll(read)).toString(), 'ready\n');
  assert.deepEqual(await ended(pid), { kind: 'exited', code: 0 });
  const lost = openReadyPipe();
  closeFd(lost.read);
  const writer = startShell('echo ready >&3', new Map([[3, lost.write]]));
  assert.deepEqual(await ended(writer), { kind: 'exited', code: 0 });
  closeFd(lost.write);
});

test('a pipe is opened in another process by its inode', () => {
  const { read, childEnd } = openOutputPipe(null);
  const plain = openPipe();
  const inode = inodeOf(read);
  const pid = process.pid;
  const found = [
    openPipeOf(pid, childEnd, inode),
    openPipeOf(pid, plain.read, inode),
    openPipeOf(pid, childEnd, null),
  ];
  writeSync(childEnd, 'a');
  for (const fd of found) assert.equal(typeof fd, 'number');
  assert.equal(readNow(found[1] ?? -1, Buffer.alloc(9)), 1);
  assert.equal(readNow(found[0] ?? -1, Buffer.alloc(9)), 0);
  assert.equal(openPipeOf(pid, childEnd, 1), null);
  // An unrecorded, write-only pipe belongs to the service.
  assert.equal(openPipeOf(pid, plain.write, null), null);
  assert.equal(openPipeOf(pid, 9999, null), null);
  for (const fd of [read, childEnd, plain.read, plain.write, ...found]) if (fd !== null) closeFd(fd);
});

test('each end may block or not', () => {
  const { read, write } = openPipe();
  setNonBlocking(read);
  assert.throws(() => readSync(read, Buffer.alloc(1)), { code: 'EAGAIN' });
  writeSync(write, 'x');
  assert.equal(readSync(read, Buffer.alloc(2)), 1);
  closeFd(read);
  closeFd(write);
});

test('the capacity is set', () => {
  const { read, write } = openPipe();
  assert.equal(setPipeSize(write, 1 << 20), 1 << 20);
  setNonBlocking(write);
  assert.equal(writeSync(write, Buffer.alloc(2 << 20)), 1 << 20);
  closeFd(read);
  assert.throws(() => setPipeSize(read, 4096), { code: 'EBADF', syscall: 'fcntl' });
  closeFd(write);
});

test('a lock belongs to one open file until that is closed', () => {
  const path = join(folder, 'lock');
  const first = openSync(path, 'w');
  const second = openSync(path, 'w');
  assert.equal(tryLock(first), true);
  assert.equal(tryLock(first), true);
  assert.equal(tryLock(second), false);
  closeFd(first);
  assert.equal(tryLock(second), true);
  closeFd(second);
  assert.throws(() => tryLock(second), { code: 'EBADF' });
});

test('close-on-exec of an unused number fails', () => {
  const fd = openSync(folder, 'r');
  setCloseOnExec(fd, false);
  setCloseOnExec(fd, true);
  closeFd(fd);
  assert.throws(() => setCloseOnExec(fd, true), { code: 'EBADF' });
  assert.equal(isOpen(fd), false);
});

test('a FIFO is created', () => {
  const path = join(folder, 'fifo');
  makeFifo(path, 0o600);
  assert.ok(lstatSync(path).isFIFO());
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
  assert.throws(() => makeFifo(path, 0o600), { code: 'EEXIST', message: /fifo/ });
});
