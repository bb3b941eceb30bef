import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dropped, droppedInTotal } from '../support/dropped-output.ts';
import { NumberedLines } from '../support/numbered-lines.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { openPipeReader } from '../support/pipe-reader.ts';
import { nextReady, type PuppetService, startServing, whoAnswers } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const MIB = 1024 * 1024;
/** Bytes of a full buffer of 8 MiB that must be read before zero accepts output again: more than half of them. */
const HALF_FREE = 6 * MIB;

/** Collects zero's standard output from now on, which contains only the service's output. */
function collect(zero: Zero): { until(end: string): Promise<Buffer> } {
  const chunks: Buffer[] = [];
  const { stdout } = zero.process;
  assert.ok(stdout);
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    async until(end) {
      while (!Buffer.concat(chunks.slice(-2)).includes(end)) await once(stdout, 'data');
      return Buffer.concat(chunks);
    },
  };
}

/** zero with another standard output than the test. */
function writingTo(path: string, folder: string): { command: [string, ...string[]]; folder: string } {
  return { folder, command: ['sh', '-c', 'out=$1; shift; exec "$@" >"$out"', 'sh', path, ...ZERO_COMMAND] };
}

/** The peak memory of the process in bytes (VmHWM, proc_pid_status(5)). */
function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** One handover, until the new generation serves. */
async function handOver({ zero, puppets, reload }: PuppetService, generation: number): Promise<void> {
  const from = reload();
  await nextReady(puppets);
  await zero.fact('generation_promoted', { generation }, from);
  assert.equal((await whoAnswers(await zero.address('http'))).generation, generation);
}

describe('the output of a service', () => {
  it('is forwarded unchanged: lines of any length, and invalid text', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    const output = collect(zero);
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const written = Buffer.concat([
      Buffer.from('\n\na\n\r\nb\r\n'),
      everyByte,
      Buffer.from('\n'),
      Buffer.alloc(65_535, 'x'),
      Buffer.from('\n'),
      Buffer.alloc(65_536, 'y'),
      Buffer.from('\n'),
      Buffer.alloc(3_000_001, 'z'),
      Buffer.from('\n\x1b[31m\xff\xfe\xc3\nEND\n', 'latin1'),
    ]);
    // In pieces that do not match its lines.
    for (let at = 0; at < written.length; at += 99_991)
      await incumbent.write(1, written.subarray(at, at + 99_991));
    assert.ok((await output.until('END\n')).equals(written));
  });

  it('ends with the process in both streams, and the last line gets a newline', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    const output = collect(zero);
    await incumbent.write(1, 'last words');
    await incumbent.write(2, 'last error');
    await incumbent.exit(3);
    await zero.fact('worker_exited', { exit: { kind: 'exited', code: 3 } });
    assert.equal(String(await output.until('\n')), 'last words\n');
    assert.match(zero.log.text, /^last error$/m);
  });

  it('continues after a kill of the supervisor, up to the capacity of its pipes', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    const address = await zero.address('http');
    zero.process.kill('SIGKILL');
    await zero.exited;
    for (const fd of [1, 2]) await incumbent.write(fd, Buffer.alloc(MIB / 2, 'x'));
    assert.equal((await whoAnswers(address)).pid, incumbent.pid);
    for (const fd of [1, 2]) await incumbent.write(fd, Buffer.alloc(MIB / 2 - 4096, 'x'));
    assert.equal((await whoAnswers(address)).pid, incumbent.pid);
  });

  it('of 100 MB without a newline uses no memory and delays nothing', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, incumbent } = service;
    const output = collect(zero);
    const bytes = 100_000_000;
    await incumbent.output('stdout', bytes, 'binary');
    await incumbent.write(1, '\nEND\n');
    const received = await output.until('\nEND\n');
    await handOver(service, 2);
    await zero.fact('generation_gone', { generation: 1 });
    // A line with a dropped piece is dropped to its end. Its written part is terminated by a newline.
    const { lines, bytes: missing } = dropped(zero.log);
    assert.equal(received.length, bytes + 5 - missing + (lines > 0 ? 1 : 0));
    assert.ok(lines <= 1);
    assert.ok(peakMemory(zero.pid) < 200 * MIB, `${peakMemory(zero.pid) / MIB} MiB`);
  });

  it('may be closed: a service without stdout and stderr is served as before', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, incumbent } = service;
    await incumbent.closeFd(1);
    assert.equal((await whoAnswers(await zero.address('http'))).pid, incumbent.pid);
    await incumbent.closeFd(2);
    await handOver(service, 2);
    await zero.fact('generation_gone', { generation: 1 });
    assert.deepEqual(
      zero.log.all('worker_exited').map(({ expected, exit }) => ({ expected, exit })),
      [{ expected: true, exit: { kind: 'exited', code: 0 } }],
    );
  });
});

describe('unread output', () => {
  it('is reported as dropped immediately, in any amount', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const reader = openPipeReader(t, join(folder, 'stdout'));
    const { zero, incumbent } = await startServing(t, {}, writingTo(reader.path, folder));
    const written = incumbent.output('stdout', 800 * MIB, 'text');
    const first = await zero.fact('output_dropped', { stream: 'stdout' });
    assert.ok(first.bytes > 0 && first.bytes <= MIB, `${first.bytes}`);
    await written;
    assert.ok(peakMemory(zero.pid) < 200 * MIB, `${peakMemory(zero.pid) / MIB} MiB`);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    // Nothing was read: the reports cover everything except the content of the pipe.
    assert.ok((await droppedInTotal(zero.log, 798 * MIB)).bytes <= 800 * MIB + 1);
  });

  it('is dropped by whole lines beyond 8 MiB, and counted, while zero continues', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const reader = openPipeReader(t, join(folder, 'stdout'));
    const service = await startServing(t, {}, writingTo(reader.path, folder));
    const { zero, incumbent } = service;
    const lines = new NumberedLines();
    for (let count = 0; count < 24; count += 1) await incumbent.write(1, lines.next(MIB));
    await handOver(service, 2);
    await handOver(service, 3);
    await zero.fact('generation_gone', { generation: 2 });
    // Reported before any read.
    await zero.fact('output_dropped', { stream: 'stdout' });

    const caughtUp = reader.untilSize(HALF_FREE);
    reader.read();
    await caughtUp;
    const ended = reader.until('END\n');
    await service.puppets.all.at(-1)?.write(1, 'END\n');
    await ended;
    const received = reader.take();
    const missing = lines.missingFrom(received.subarray(0, -4));
    assert.deepEqual(missing, await droppedInTotal(zero.log, missing.bytes));
    assert.ok(received.length > 8 * MIB && received.length < 10 * MIB, `${received.length}`);
  });

  it('is terminated by a newline if a line was cut', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const reader = openPipeReader(t, join(folder, 'stdout'));
    const service = await startServing(t, {}, writingTo(reader.path, folder));
    const { zero, incumbent } = service;
    await incumbent.write(1, 'before\n');
    await incumbent.output('stdout', 100 * MIB, 'text');
    await incumbent.write(1, 'rest\nbehind\n');
    await handOver(service, 2);
    await zero.fact('output_dropped', { stream: 'stdout' });
    const caughtUp = reader.untilSize(HALF_FREE);
    reader.read();
    await caughtUp;
    const ended = reader.until('END\n');
    await service.puppets.all.at(-1)?.write(1, 'END\n');
    await ended;
    const received = reader.take().toString('latin1');
    assert.match(received, /^before\nx+\nEND\n$/);
    const kept = received.length - 'before\n\nEND\n'.length;
    const bytes = 100 * MIB - kept + 'rest\nbehind\n'.length;
    assert.deepEqual(await droppedInTotal(zero.log, bytes), { lines: 2, bytes });
    assert.ok(peakMemory(zero.pid) < 200 * MIB, `${peakMemory(zero.pid) / MIB} MiB`);
  });

  it('is counted as dropped at the exit of zero, which is not delayed', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const reader = openPipeReader(t, join(folder, 'stdout'));
    const { zero, incumbent } = await startServing(t, {}, writingTo(reader.path, folder));
    const lines = new NumberedLines();
    for (let count = 0; count < 12; count += 1) await incumbent.write(1, lines.next(MIB));
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    await zero.fact('output_dropped', { stream: 'stdout' });
    reader.close();
    assert.ok(dropped(zero.log).bytes > 11 * MIB);
    assert.ok(dropped(zero.log).lines > 0);
  });

  it('does not block zero if its standard output is a socket, as under journald', DEADLINE, async (t) => {
    // Node gives a child process a pair of sockets.
    const service = await startServing(t);
    const { zero, incumbent } = service;
    zero.process.stdout?.pause();
    for (let count = 0; count < 12; count += 1) await incumbent.write(1, new NumberedLines().next(MIB));
    await handOver(service, 2);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('may lose its reader: the service and zero continue', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const reader = openPipeReader(t, join(folder, 'stdout'));
    const service = await startServing(t, {}, writingTo(reader.path, folder));
    const { zero, incumbent } = service;
    await incumbent.write(1, 'read by nobody\n');
    reader.close();
    for (let count = 0; count < 12; count += 1) await incumbent.write(1, new NumberedLines().next(MIB));
    await zero.fact('output_dropped', { stream: 'stdout' });
    await handOver(service, 2);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });
});
