import assert from 'node:assert/strict';
import { closeSync, fstatSync, readdirSync, readSync } from 'node:fs';
import { test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { openReadWrite } from '../../../../src/linux/pipes.ts';
import { spawnProcess } from '../../../../src/linux/spawn.ts';
import { LineForwarder } from '../../../../src/workers/output/line-forwarder.ts';
import { WorkerOutput } from '../../../../src/workers/output/output.ts';
import { Sink } from '../../../../src/writing/sink.ts';
import { sendSignal } from '../../../support/send-signal.ts';
import { ended } from '../support.ts';

/** A sink that stores its data. `first` resolves at its first write. */
function collecting() {
  const written: Buffer[] = [];
  let arrived: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const sink = new Sink({
    fd: -1,
    system: {
      open: () => ({
        write: (bytes, done) => {
          written.push(Buffer.from(bytes));
          arrived();
          setImmediate(() => done(null, bytes.length));
        },
        close: () => {},
      }),
      after: () => () => {},
    },
  });
  return { sink, first, text: () => Buffer.concat(written).toString('latin1') };
}

function start(text: string, output: WorkerOutput) {
  const { stdout, stderr } = output.childEnds;
  const pid = spawnProcess({
    path: '/bin/sh',
    argv: ['sh', '-c', text],
    environment: ['PATH=/usr/bin:/bin'],
    descriptors: new Map([
      [1, stdout],
      [2, stderr],
    ]),
  });
  const exit = ended(pid);
  output.closeChildEnds();
  return { pid, exit };
}

test('the output of a process is complete when its exit is reported', async () => {
  const [out, err] = [collecting(), collecting()];
  const output = WorkerOutput.open(linux, {
    stdout: new LineForwarder(out.sink),
    stderr: new LineForwarder(err.sink),
    owner: null,
  });
  const { exit } = start("printf 'a\\nb\\377\\0c'; echo error >&2; exit 1", output);
  await exit;
  output.drain();
  assert.equal(output.lines().length, 3);
  output.close();
  output.close();
  assert.equal(output.ended, true);
  await Promise.all([out.sink.flush(0), err.sink.flush(0)]);
  assert.equal(out.text(), 'a\nb\xff\0c\n');
  assert.equal(err.text(), 'error\n');
});

test('100 MB without a newline are forwarded, and the report stays short', async () => {
  let total = 0;
  const sink = new Sink({
    fd: -1,
    system: {
      open: () => ({
        write: (bytes, done) => {
          total += bytes.length;
          setImmediate(() => done(null, bytes.length));
        },
        close: () => {},
      }),
      after: () => () => {},
    },
  });
  const output = WorkerOutput.open(linux, {
    stdout: new LineForwarder(sink),
    stderr: new LineForwarder(sink),
    owner: null,
  });
  const { exit } = start('head -c 100000000 /dev/zero', output);
  assert.deepEqual((await exit).status, { kind: 'exited', code: 0 });
  output.close();
  while (sink.buffered > 0) await new Promise(setImmediate);
  // The newline at its end, and another one if its rest was dropped.
  assert.ok([1, 2].includes(total + sink.dropped.bytes - 100_000_000));
  assert.deepEqual(output.lines(), ['']);
});

test('a service can keep writing after the supervisor exits', async () => {
  const out = collecting();
  const output = WorkerOutput.open(linux, { stdout: new LineForwarder(out.sink), stderr: null, owner: null });
  const text = `trap 'echo still here || exit 1; echo still here >&2 || exit 2; exit 7' USR1
    echo ready
    sleep 1000 & wait`;
  const { pid, exit } = start(text, output);
  await out.first;
  output.close();
  sendSignal(pid, 'SIGUSR1');
  assert.deepEqual((await exit).status, { kind: 'exited', code: 7 });
});

test('processes that inherit the output are read while they run, and no longer than requested', async () => {
  const out = collecting();
  const output = WorkerOutput.open(linux, {
    stdout: new LineForwarder(out.sink),
    stderr: new LineForwarder(out.sink),
    owner: null,
  });
  const descriptors = readdirSync('/proc/self/fd').length;
  const { exit } = start('sleep 1000 & echo main', output);
  await exit;
  output.drain();
  assert.equal(output.ended, false);
  assert.deepEqual(output.lines(), ['main']);
  output.close();
  assert.equal(output.ended, true);
  await new Promise(setImmediate);
  assert.ok(readdirSync('/proc/self/fd').length < descriptors);
});

test('the pipes belong to the target user, and hold a mebibyte', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, () => {
  const output = WorkerOutput.open(linux, { stdout: null, stderr: null, owner: { uid: 65534, gid: 12 } });
  const { uid, gid } = fstatSync(output.childEnds.stdout);
  assert.deepEqual({ uid, gid }, { uid: 65534, gid: 12 });
  closeSync(openReadWrite(output.childEnds.stdout));
  output.close();
});

test('another supervisor continues to read the output of a process', async () => {
  const pipes = { stdout: linux.openOutputPipe(null), stderr: linux.openOutputPipe(null) };
  const inodes = { stdout: linux.inodeOf(pipes.stdout.read), stderr: linux.inodeOf(pipes.stderr.read) };
  const pid = spawnProcess({
    path: '/bin/sh',
    // 3 is its standard output from the start. 1 is another file when the second supervisor starts.
    argv: [
      'sh',
      '-c',
      'exec 3>&1 >/dev/null; trap "echo last >&3; exit" USR1; seq 2000 >&3; sleep 1000 & wait',
    ],
    environment: ['PATH=/usr/bin:/bin'],
    descriptors: new Map([
      [1, pipes.stdout.childEnd],
      [2, pipes.stderr.childEnd],
    ]),
  });
  const exit = ended(pid);
  for (const { childEnd } of Object.values(pipes)) linux.closeFd(childEnd);
  const chunk = Buffer.alloc(9);
  readSync(pipes.stdout.read, chunk);
  for (const { read } of Object.values(pipes)) linux.closeFd(read);
  const out = collecting();
  const output = WorkerOutput.reopen(
    linux,
    { stdout: new LineForwarder(out.sink), stderr: null, owner: null },
    {
      stdout: linux.openPipeOf(pid, 1, inodes.stdout),
      stderr: linux.openPipeOf(pid, 2, inodes.stderr),
    },
  );
  assert.deepEqual(output.inodes, inodes);
  await out.first;
  sendSignal(pid, 'SIGUSR1');
  await exit;
  output.close();
  await out.sink.flush(0);
  const expected = Array.from({ length: 2000 }, (_, index) => `${index + 1}\n`).join('');
  assert.equal(`${chunk.toString()}${out.text()}`, `${expected}last\n`);
  assert.equal(linux.openPipeOf(pid, 1, inodes.stdout), null);
});

test('an output whose pipe cannot be found has ended', () => {
  const output = WorkerOutput.reopen(
    linux,
    { stdout: null, stderr: null, owner: null },
    { stdout: null, stderr: null },
  );
  assert.equal(output.ended, true);
  assert.deepEqual(output.inodes, { stdout: null, stderr: null });
  output.drain();
  output.close();
});
