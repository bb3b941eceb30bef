import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseOutputLine } from '../../src/workers/output/output-line.ts';
import { command, startCommand } from '../support/command.ts';
import { NumberedLines } from '../support/numbered-lines.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { IS_ROOT, requireRoot } from '../support/privileges.ts';
import {
  becomeReady,
  nextReady,
  type PuppetSections,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const KIB = 1024;
const MIB = 1024 * KIB;

/** Sections whose output goes to files in `directory`. */
function toFiles(directory: string, output: Readonly<Record<string, unknown>> = {}): PuppetSections {
  return { handover: QUICK, output: { directory, ...output } };
}

/** A service that writes to files in a separate directory. */
async function startWriting(scope: Scope, output: Readonly<Record<string, unknown>> = {}) {
  const directory = join(temporaryFolder(scope), 'log', 'web');
  const service = await startServing(scope, toFiles(directory, output));
  const logs = async (...args: string[]) => {
    const { code, stdout, stderr } = await command(scope, service.zero, 'logs', '--raw', ...args);
    assert.deepEqual([code, stderr], [0, '']);
    return stdout;
  };
  return { ...service, directory, file: join(directory, 'test.log'), logs };
}

/** The files of a directory, the oldest first. */
function filesIn(directory: string): string[] {
  const number = (name: string) => Number(name.split('.')[2] ?? 0);
  return readdirSync(directory)
    .sort((one, other) => number(other) - number(one))
    .map((name) => join(directory, name));
}

/** The output of the service, from its files. */
function textIn(directory: string): Buffer {
  const lines = filesIn(directory).flatMap((file) => splitLines(readFileSync(file)));
  return Buffer.concat(
    lines.map((line) => {
      const parsed = parseOutputLine(line);
      assert.ok(parsed, `not a line of an output file: ${line}`);
      return parsed.isPartial ? parsed.text : Buffer.concat([parsed.text, Buffer.from('\n')]);
    }),
  );
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at);
    assert.notEqual(end, -1, 'a line without its end');
    lines.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return lines;
}

describe('service.output writes to files', () => {
  it('each line with its time, stream, generation and worker, over handovers', DEADLINE, async (t) => {
    const { zero, puppets, incumbent, directory, file, logs } = await startWriting(t);
    await incumbent.write(1, 'one\n');
    await incumbent.write(2, 'two\n');
    const reloading = startCommand(t, zero, ['reload']);
    const second = await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    await second.write(1, 'three\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f']);
    await following.shown('three\n');
    assert.equal(await logs(), 'one\ntwo\nthree\n');
    assert.equal(await logs('-n', '1'), 'three\n');
    assert.equal(await logs('--generation', '1', '-n', '1'), 'two\n');
    assert.equal(await logs('--worker', '1'), '');
    assert.equal(await logs('--since', '1h'), 'one\ntwo\nthree\n');
    assert.equal(await logs('--since', '2099-01-01T00:00:00Z'), '');
    const document = JSON.parse((await command(t, zero, 'logs', '--json', '-n', '2')).stdout);
    assert.deepEqual(
      document.lines.map(({ time: _, ...line }: { time: string }) => line),
      [
        { generation: 1, worker: 0, stream: 'stderr', text: 'two' },
        { generation: 2, worker: 0, stream: 'stdout', text: 'three' },
      ],
    );
    assert.equal(statSync(file).mode & 0o777, 0o640);
    // zero's own output contains none of it.
    assert.ok(!zero.log.text.includes('three'));
    assert.equal((await command(t, zero, 'stop')).code, 0);
    assert.equal((await following.finished).code, 0);
    assert.equal(textIn(directory).toString(), 'one\ntwo\nthree\n');
  });

  it('and loses no line when the files are rotated', DEADLINE, async (t) => {
    const { zero, incumbent, directory } = await startWriting(t, { size: '256KiB', keep: 100 });
    const following = startCommand(t, zero, ['logs', '--raw', '-f']);
    const lines = new NumberedLines();
    // Less than the buffer of zero for a slow disk.
    for (let count = 0; count < 64; count += 1) await incumbent.write(1, lines.next(64 * KIB));
    await incumbent.write(1, 'END\n');
    await following.shown('END\n');
    following.signal('SIGINT');
    const { stdout } = await following.finished;
    assert.deepEqual(lines.missingFrom(Buffer.from(stdout.slice(0, -4))), { lines: 0, bytes: 0 });
    assert.equal(
      (await command(t, zero, 'logs', '--raw', '-n', '3')).stdout,
      stdout
        .split(/(?<=\n)/)
        .slice(-3)
        .join(''),
    );
    // Files are written after the pipe is read. At its end, zero waits for them.
    zero.signal('SIGTERM');
    await zero.exited;
    const written = textIn(directory);
    assert.ok(written.subarray(-4).equals(Buffer.from('END\n')));
    assert.deepEqual(lines.missingFrom(written.subarray(0, -4)), { lines: 0, bytes: 0 });
    const files = filesIn(directory);
    assert.ok(files.length >= 16, `${files.length} files`);
    for (const file of files) assert.ok(statSync(file).size <= 256 * KIB, file);
    assert.deepEqual(zero.log.all('output_dropped'), []);
  });

  it('and keeps the configured number of files', DEADLINE, async (t) => {
    const { zero, incumbent, directory, logs } = await startWriting(t, { size: '64KiB', keep: 2 });
    const lines = new NumberedLines();
    for (let count = 0; count < 16; count += 1) await incumbent.write(1, lines.next(64 * KIB));
    await incumbent.write(1, 'END\n');
    // Files are written after the pipe is read.
    const following = startCommand(t, zero, ['logs', '--raw', '-f', '-n', '1']);
    await following.shown('END\n');
    following.signal('SIGINT');
    assert.equal(await logs('-n', '1'), 'END\n');
    assert.deepEqual(readdirSync(directory).sort(), ['test.log', 'test.log.1', 'test.log.2']);
    const written = textIn(directory);
    lines.missingFrom(written.subarray(0, -4));
  });

  it('which are reopened on SIGUSR1', DEADLINE, async (t) => {
    const { zero, incumbent, file } = await startWriting(t);
    await incumbent.write(1, 'one\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f']);
    await following.shown('one\n');
    renameSync(file, `${file}.moved`);
    zero.signal('SIGUSR1');
    // The signal is handled before the next request.
    await command(t, zero, 'status');
    await incumbent.write(1, 'two\n');
    await following.shown('two\n');
    following.signal('SIGINT');
    assert.match(readFileSync(`${file}.moved`, 'utf8'), /one\n$/);
    assert.match(readFileSync(file, 'utf8'), /^\S+ stdout F:g1\.w0 two\n$/);
  });

  it('which zero logs -f follows until zero is killed', DEADLINE, async (t) => {
    const { zero, incumbent } = await startWriting(t);
    await incumbent.write(1, 'one\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f']);
    await following.shown('one\n');
    await incumbent.write(1, 'two\n');
    await following.shown('two\n');
    zero.signal('SIGKILL');
    const { code, stdout, stderr } = await following.finished;
    assert.deepEqual(
      [code, stdout, stderr],
      [1, 'one\ntwo\n', 'zero logs: zero exited unexpectedly. Check its log.\n'],
    );
  });

  it('which zero logs -f follows for one generation until its exit', DEADLINE, async (t) => {
    const { zero, puppets, incumbent, logs } = await startWriting(t);
    await incumbent.write(1, 'one\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f', '--generation', '1']);
    await following.shown('one\n');
    const reloading = startCommand(t, zero, ['reload']);
    const second = await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    await second.write(1, 'two\n');
    assert.deepEqual(await following.finished, { code: 0, signal: null, stdout: 'one\n', stderr: '' });
    // Also for a generation that has exited.
    assert.equal(await logs('-f', '--generation', '1'), 'one\n');
  });

  it('which zero logs reports if they cannot be read', DEADLINE, async (t) => {
    const { zero, directory } = await startWriting(t);
    assert.equal((await command(t, zero, 'stop')).code, 0);
    rmSync(directory, { recursive: true });
    const { code, stderr } = await command(t, zero, 'logs');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /\nzero logs: cannot read .*test\.log: ENOENT\. The service has written nothing yet/,
    );
  });

  it('which zero logs prints while zero is not running', DEADLINE, async (t) => {
    const { zero, incumbent, file } = await startWriting(t);
    await incumbent.write(1, 'one\ntwo\n');
    assert.equal((await command(t, zero, 'stop')).code, 0);
    const { code, stdout, stderr } = await command(t, zero, 'logs', '--raw', '-n', '1');
    assert.deepEqual([code, stdout, stderr], [0, 'two\n', `zero: no running instance. Showing ${file}\n`]);
  });
});

describe('an unusable output directory', () => {
  it('fails a handover before anything is changed', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, incumbent } = service;
    const blocked = join(zero.folder, 'zero.yaml', 'log');
    service.rewrite(toFiles(blocked));
    const { code, stderr } = await command(t, zero, 'reload');
    assert.equal(code, 1);
    assert.match(stderr, /step {4}output\.directory\n {2}reason {2}cannot create directory .*: ENOTDIR/);
    assert.equal((await whoAnswers(await zero.address('http'))).pid, incumbent.pid);
  });

  it('is a usage error in the config if it is relative', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    service.rewrite(toFiles('log'));
    const { code, stdout, stderr } = await command(t, service.zero, 'check');
    assert.equal(code, 1);
    assert.match(stdout + stderr, /service\.output\.directory: "log" must be an absolute path/);
  });

  it(
    'that is full does not stop the service: reported once, lines counted, recovers',
    DEADLINE,
    async (t) => {
      const folder = temporaryFolder(t);
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      const namespace = ['--mount', ...(IS_ROOT ? [] : ['--map-root-user'])];
      const mount = 'mount -t tmpfs -o size=32m none "$0"';
      if (spawnSync('unshare', [...namespace, 'sh', '-c', mount, disk]).status !== 0)
        return t.skip('needs a mount namespace of its own: unshare(1), and the rights of root');
      const service = await startPuppetService(t, toFiles(join(disk, 'log')), {
        folder,
        command: ['unshare', ...namespace, 'sh', '-c', `${mount} && exec "$@"`, disk, ...ZERO_COMMAND],
      });
      const { zero, puppets } = service;
      const puppet = await puppets.next();
      await puppet.listen({ name: 'http' });
      await becomeReady(puppet);
      await zero.fact('handover_finished', { outcome: 'promoted' });
      const inside = (...path: string[]) => join(`/proc/${zero.pid}/root`, disk, ...path);
      await puppet.write(1, 'before\n');
      fill(inside('filler'));
      const line = `${'x'.repeat(1023)}\n`;
      for (let written = 0; written < 12 * MIB; written += 64 * KIB) await puppet.write(1, line.repeat(64));
      const dropped = await zero.fact('output_dropped', { stream: 'file' });
      assert.ok(dropped.lines > 0);
      assert.equal((await whoAnswers(await zero.address('http'))).pid, puppet.pid);
      const errors = zero.log.all('error', { step: 'write output' });
      assert.equal(errors.length, 1);
      assert.match(
        errors[0]?.message ?? '',
        /^cannot write .*\/log\/test\.log: ENOSPC\. Free space on its file system\. The service keeps running/,
      );
      const { cursor } = zero;
      rmSync(inside('filler'));
      // Reported when zero has written the rest.
      await zero.fact('output_dropped', { stream: 'file' }, cursor);
      await puppet.write(1, 'after\n');
      // The disk exists while this descriptor is open.
      const log = openSync(inside('log'), 'r');
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      const written = readFileSync(`/proc/self/fd/${log}/test.log`, 'latin1').trimEnd().split('\n');
      closeSync(log);
      assert.match(written[0] ?? '', / before$/);
      assert.match(written.at(-1) ?? '', / after$/);
      const lost = zero.log.all('output_dropped').reduce((sum, { lines }) => sum + lines, 0);
      assert.equal(written.length - 2 + lost, (12 * MIB) / KIB);
      assert.equal(zero.log.all('error', { step: 'write output' }).length, 1);
    },
  );

  it(
    'that becomes read-only neither stops the service nor loses a line: reported once, recovers',
    DEADLINE,
    async (t) => {
      if (!requireRoot(t, 'mounts a directory in the mount namespace of zero')) return;
      const folder = temporaryFolder(t);
      const directory = join(folder, 'log');
      mkdirSync(directory);
      const service = await startPuppetService(t, toFiles(directory, { size: '64KiB', keep: 100 }), {
        folder,
        command: ['unshare', '--mount', ...ZERO_COMMAND],
      });
      const { zero, puppets } = service;
      const puppet = await puppets.next();
      await puppet.listen({ name: 'http' });
      await becomeReady(puppet);
      await zero.fact('handover_finished', { outcome: 'promoted' });
      const inside = (script: string) => {
        const args = ['--target', String(zero.pid), '--mount', 'sh', '-c', script, directory];
        const { status, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
      };
      const lines = new NumberedLines();
      await puppet.write(1, lines.next(32 * KIB));
      // Another mount of the directory: the kernel refuses to remount one with a file open for writing (EBUSY).
      inside('mkdir "$0.ro" && mount --bind "$0" "$0.ro" && mount -o remount,bind,ro "$0.ro"');
      inside('mount --bind "$0.ro" "$0"');
      // The open file keeps growing, because it cannot be rotated.
      for (let count = 0; count < 3; count += 1) await puppet.write(1, lines.next(32 * KIB));
      const rotated = await zero.fact('error', { step: 'rotate output' });
      assert.match(rotated.message, /EROFS/);
      // After it is reopened by its name, it cannot be written either. The lines wait in memory.
      zero.signal('SIGUSR1');
      await command(t, zero, 'status');
      for (let count = 0; count < 3; count += 1) await puppet.write(1, lines.next(32 * KIB));
      const { message } = await zero.fact('error', { step: 'write output' });
      assert.match(message, /^cannot write .*\/log\/test\.log: EROFS\./);
      assert.equal((await whoAnswers(await zero.address('http'))).pid, puppet.pid);
      inside('umount "$0"');
      await puppet.write(1, 'END\n');
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      const written = textIn(directory);
      assert.deepEqual(lines.missingFrom(written.subarray(0, -4)), { lines: 0, bytes: 0 });
      assert.equal(written.subarray(-4).toString(), 'END\n');
      assert.deepEqual(zero.log.all('output_dropped'), []);
      for (const step of ['rotate output', 'write output'])
        assert.equal(zero.log.all('error', { step }).length, 1, step);
    },
  );
});

/** Writes until the disk is full, including the last page of the file. */
function fill(file: string): void {
  const bytes = Buffer.alloc(4096, '\n');
  assert.throws(() => {
    for (;;) appendFileSync(file, bytes);
  }, /ENOSPC/);
}
