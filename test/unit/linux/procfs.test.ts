import assert from 'node:assert/strict';
import { readSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { openPipe } from '../../../src/linux/pipes.ts';
import {
  argumentsOf,
  bootId,
  commandLine,
  listProcesses,
  ownerOf,
  parseStat,
  pidNamespace,
  processStat,
  rawEnvironment,
  splitAtNul,
} from '../../../src/linux/procfs.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { ended, start, startShell } from './support.ts';

const fields = 'S 1 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 98765 1000 200';

test('a name may contain spaces, parentheses and newlines', () => {
  for (const comm of ['cat', 'a b', ') S 1 (', '((', 'x)\ny', '']) {
    assert.deepEqual(parseStat(`42 (${comm}) ${fields}\n`), {
      pid: 42,
      comm,
      state: 'S',
      ppid: 1,
      pgrp: 42,
      session: 43,
      terminal: 0,
      startTime: 98765,
      exiting: false,
    });
  }
});

test('an exiting process is recognised', () => {
  assert.equal(parseStat(`42 (cat) ${fields.replace('4194560', '4194564')}\n`)?.exiting, true);
});

test('an invalid stat line is refused', () => {
  for (const text of ['', '42', '42 (cat', '42 (cat) S 1', 'x (cat) ']) assert.equal(parseStat(text), null);
});

test('a real process with special characters in its name is parsed', async () => {
  const hold = openPipe();
  const pid = startShell('exec cat', new Map([[0, hold.read]]));
  closeFd(hold.read);
  const self = processStat(process.pid);
  assert.equal(self?.pid, process.pid);
  assert.equal(self.ppid, process.ppid);
  assert.equal(self.state, 'R');
  const child = listProcesses().find((found) => found.pid === pid);
  assert.equal(child?.ppid, process.pid);
  assert.ok(child.startTime >= self.startTime);
  closeFd(hold.write);
  await ended(pid);
  assert.equal(processStat(pid), null);
  assert.equal(commandLine(pid), '');
});

test('command lines are read', () => {
  assert.match(commandLine(process.pid), /node/);
  assert.ok(!commandLine(process.pid).includes('\0'));
});

test('arguments and the owner are read', async () => {
  const hold = openPipe();
  const said = openPipe();
  const argv = ['sh', '-c', 'echo; cat; :', 'a b', '', '-'];
  const descriptors = new Map([
    [0, hold.read],
    [1, said.write],
  ]);
  const pid = start({ path: '/bin/sh', argv, descriptors });
  for (const fd of [hold.read, said.write]) closeFd(fd);
  // posix_spawn(3) returns before the kernel has set the arguments (begin_new_exec, fs/exec.c).
  assert.equal(readSync(said.read, Buffer.alloc(1)), 1);
  closeFd(said.read);
  assert.deepEqual(argumentsOf(pid), argv);
  assert.equal(ownerOf(pid), process.geteuid?.());
  closeFd(hold.write);
  await ended(pid);
  assert.deepEqual(argumentsOf(pid), []);
  assert.equal(ownerOf(pid), null);
});

test('the pid namespace is that of the children', () => {
  assert.equal(pidNamespace(), statSync(`/proc/${process.ppid}/ns/pid`).ino);
});

test('the initial environment is read byte for byte', () => {
  const entries = rawEnvironment().map(String);
  assert.ok(entries.includes(`PATH=${process.env.PATH}`));
  assert.deepEqual(splitAtNul(Buffer.from('A=1\0B=\0C=x\ny\0')).map(String), ['A=1', 'B=', 'C=x\ny']);
  assert.deepEqual(splitAtNul(Buffer.from([0x41, 0x3d, 0xff, 0])), [Buffer.from([0x41, 0x3d, 0xff])]);
  assert.deepEqual(splitAtNul(Buffer.alloc(0)), []);
});

test('the boot id is read', () => {
  assert.match(bootId(), /^[0-9a-f-]{36}$/);
  assert.equal(bootId(), bootId());
});
