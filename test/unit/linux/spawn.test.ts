import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { processStat } from '../../../src/linux/procfs.ts';
import { closeFd, duplicateAbove, inodeOf, openSocket } from '../../../src/linux/sockets.ts';
import { type SpawnRequest, spawnProcess } from '../../../src/linux/spawn.ts';
import { ended, readAll, readable, start, temporaryFolder } from './support.ts';

const folder = temporaryFolder();
const openDescriptors = () => readdirSync('/proc/self/fd').length;

async function output(script: string, request: Partial<SpawnRequest> = {}): Promise<string> {
  const pipe = openPipe();
  const pid = start({
    path: '/bin/sh',
    argv: ['sh', '-c', script],
    ...request,
    descriptors: new Map([...(request.descriptors ?? []), [1, pipe.write]]),
  });
  closeFd(pipe.write);
  const text = (await readAll(pipe.read)).toString();
  assert.deepEqual(await ended(pid), { kind: 'exited', code: 0 });
  return text;
}

test('the child has its own session and group', async () => {
  const pipe = openPipe();
  const pid = start({ path: '/bin/cat', descriptors: new Map([[0, pipe.read]]) });
  const stat = processStat(pid);
  assert.equal(stat?.session, pid);
  assert.equal(stat.pgrp, pid);
  assert.equal(stat.ppid, process.pid);
  closeFd(pipe.read);
  closeFd(pipe.write);
  await ended(pid);
});

test('the child has exactly the given descriptors at their numbers, in any order of the sources', async () => {
  // Each source has the number of another target.
  const sockets = [openSocket('inet', 'stream'), openSocket('inet', 'stream'), openSocket('inet', 'stream')];
  const [a = -1, b = -1, c = -1] = sockets;
  const leaked = openSync('/dev/null', 'r');
  const input = openPipe();
  const output = openPipe();
  const descriptors = new Map([
    [a, b],
    [b, c],
    [c, a],
    [40, a],
    [0, input.read],
    [1, output.write],
    [2, 2],
  ]);
  const pid = start({ path: '/bin/cat', descriptors });
  closeFd(output.write);
  // The response shows that the program has started, and that its loader has closed its files.
  writeSync(input.write, 'x');
  await readable(output.read);
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => [
    Number(fd),
    readlinkSync(`/proc/${pid}/fd/${fd}`),
  ]);
  const expected = [...descriptors].map(([target, source]) => [
    target,
    target === 1 ? `pipe:[${inodeOf(output.read)}]` : readlinkSync(`/proc/self/fd/${source}`),
  ]);
  assert.deepEqual(links.sort(byNumber), expected.sort(byNumber));
  closeFd(input.write);
  await ended(pid);
  closeSync(leaked);
  for (const fd of [...sockets, input.read, output.read]) closeFd(fd);
});

const byNumber = (a: (string | number)[], b: (string | number)[]) => Number(a[0]) - Number(b[0]);

test('only a source below its number needs a free descriptor', async () => {
  const [one, other] = [openSocket('inet', 'stream'), openSocket('inet', 'stream')];
  const output = openPipe();
  const spawn = (descriptors: SpawnRequest['descriptors']) => {
    const restore = useLibc({ fcntl: () => -1, errno: () => errnoNumber('EMFILE') });
    try {
      const script = 'ls -l /proc/self/fd';
      return spawnProcess({ path: '/bin/sh', argv: ['sh', '-c', script], environment: [], descriptors });
    } finally {
      restore();
    }
  };
  const pid = spawn(
    new Map([
      [1, output.write],
      [3, one],
      [other, other],
    ]),
  );
  closeFd(output.write);
  const exit = ended(pid);
  const links = (await readAll(output.read)).toString();
  assert.deepEqual(await exit, { kind: 'exited', code: 0 });
  assert.match(links, new RegExp(` 3 -> socket:\\[${inodeOf(one)}\\]`));
  assert.match(links, new RegExp(` ${other} -> socket:\\[${inodeOf(other)}\\]`));
  assert.throws(() => spawn(new Map([[other + 1, other]])), { code: 'EMFILE' });
  for (const fd of [one, other]) closeFd(fd);
});

test('each number refers to its source', async () => {
  const a = openSocket('inet', 'stream');
  const b = duplicateAbove(openSocket('inet', 'stream'), 100);
  const text = await output('readlink /proc/self/fd/3; readlink /proc/self/fd/5; readlink /proc/self/fd/0', {
    descriptors: new Map([
      [3, b],
      [5, a],
    ]),
  });
  assert.equal(text, `socket:[${inodeOf(b)}]\nsocket:[${inodeOf(a)}]\n/dev/null\n`);
});

test('arguments and environment are byte for byte those given', async () => {
  const environment = [
    'EMPTY=',
    'dotted.name=1',
    'LINES=a\nb',
    Buffer.from([0x42, 0x3d, 0xff, 0xfe]),
    'TWICE=1',
    'TWICE=2',
  ];
  const pipe = openPipe();
  const pid = start({
    path: '/bin/cat',
    argv: ['cat', '/proc/self/environ', '/proc/self/cmdline'],
    environment,
    descriptors: new Map([[1, pipe.write]]),
  });
  closeFd(pipe.write);
  const bytes = await readAll(pipe.read);
  await ended(pid);
  const strings = [...environment, 'cat', '/proc/self/environ', '/proc/self/cmdline'];
  const expected = Buffer.concat(strings.flatMap((entry) => [Buffer.from(entry as string), Buffer.alloc(1)]));
  assert.deepEqual(bytes, expected);
});

test('signals have their default action and none is blocked', async () => {
  const keep = () => undefined;
  process.on('SIGUSR1', keep);
  const text = await output('grep -E "^Sig(Blk|Ign)" /proc/self/status');
  process.off('SIGUSR1', keep);
  assert.match(text, /SigBlk:\t0{16}\nSigIgn:\t0{16}\n/);
});

test('the child has the given directory', async () => {
  assert.equal(await output('pwd', { directory: folder }), `${folder}\n`);
  writeFileSync(join(folder, 'here'), '#!/bin/sh\necho found\n', { mode: 0o755 });
  assert.equal(await output('', { path: './here', directory: folder }), 'found\n');
});

test('failures report the step, and leak no descriptor', () => {
  const request = { argv: ['x'], environment: [], descriptors: new Map([[3, 1]]) };
  const file = join(folder, 'plain');
  writeFileSync(file, 'no program');
  const before = openDescriptors();
  const fails = (more: { path: string; directory?: string }, expected: object) =>
    assert.throws(() => spawnProcess({ ...request, ...more }), expected);
  fails({ path: '/no/such' }, { code: 'ENOENT', syscall: 'posix_spawn', message: /\/no\/such/ });
  fails({ path: file }, { code: 'EACCES', syscall: 'posix_spawn' });
  fails({ path: folder }, { code: 'EACCES', syscall: 'posix_spawn' });
  fails({ path: '/bin/true', directory: '/no/such' }, { code: 'ENOENT', syscall: 'chdir' });
  fails({ path: '/bin/true', directory: file }, { code: 'ENOTDIR', syscall: 'chdir' });
  fails({ path: '/no/such', directory: folder }, { code: 'ENOENT', syscall: 'posix_spawn' });
  fails({ path: '/bin/\0true' }, { code: 'EINVAL' });
  chmodSync(file, 0o755);
  fails({ path: file }, { code: 'ENOEXEC', syscall: 'posix_spawn' });
  assert.throws(() => spawnProcess({ ...request, path: '/bin/true', descriptors: new Map([[3, 999]]) }), {
    code: 'EBADF',
    syscall: 'posix_spawn',
  });
  assert.throws(() => spawnProcess({ ...request, path: '/bin/true', descriptors: new Map([[999, 998]]) }), {
    code: 'EBADF',
    syscall: 'fcntl',
  });
  assert.equal(openDescriptors(), before);
});

test('a directory without permission is reported', { skip: process.geteuid?.() === 0 }, () => {
  const closed = join(folder, 'closed');
  mkdirSync(closed, { mode: 0o000 });
  const request = {
    path: '/bin/true',
    argv: ['true'],
    environment: [],
    descriptors: new Map(),
    directory: closed,
  };
  assert.throws(() => spawnProcess(request), { code: 'EACCES', syscall: 'chdir' });
});

const restores: (() => void)[] = [];
afterEach(() => {
  for (const restore of restores.splice(0).reverse()) restore();
});

test('each failure releases its resources', () => {
  const destroyed: string[] = [];
  restores.push(
    useLibc({
      posix_spawn: () => errnoNumber('EAGAIN'),
      posix_spawn_file_actions_destroy: () => destroyed.push('actions'),
      posix_spawnattr_destroy: () => destroyed.push('attributes'),
    }),
  );
  const before = openDescriptors();
  const request = { path: '/bin/true', argv: [], environment: [], descriptors: new Map([[1, 1]]) };
  assert.throws(() => spawnProcess(request), { code: 'EAGAIN', syscall: 'posix_spawn' });
  assert.deepEqual(destroyed, ['actions', 'attributes']);
  restores.push(useLibc({ posix_spawn_file_actions_addclosefrom_np: () => errnoNumber('ENOMEM') }));
  assert.throws(() => spawnProcess(request), { code: 'ENOMEM' });
  assert.deepEqual(destroyed, ['actions', 'attributes', 'actions', 'attributes']);
  assert.equal(openDescriptors(), before);
});

test('a given standard input is not replaced by /dev/null', async () => {
  const pipe = openPipe();
  const link = readlinkSync(`/proc/self/fd/${pipe.read}`);
  assert.equal(
    await output('readlink /proc/self/fd/0', { descriptors: new Map([[0, pipe.read]]) }),
    `${link}\n`,
  );
  closeFd(pipe.read);
  closeFd(pipe.write);
});
