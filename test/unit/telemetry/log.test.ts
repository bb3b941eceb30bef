import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { LoggingConfig } from '../../../src/config/schema.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { facts } from './facts.ts';

const directory = mkdtempSync(join(tmpdir(), 'zero-log-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function logTo(config: Partial<LoggingConfig>, fd = 2, limit?: number, journalStream?: string) {
  const timers = new ManualTimers();
  const log = createLog({
    config: { format: 'auto', level: 'info', ...config },
    fd,
    journalStream,
    colour: true,
    clock: () => 0,
    timers,
    ...(limit === undefined ? {} : { limit }),
  });
  return { log, timers };
}

function readAll(fd: number): string {
  const buffer = Buffer.alloc(1 << 20);
  return buffer.toString('latin1', 0, readSync(fd, buffer));
}

describe('the log in a file', () => {
  it('has mode 0640, is JSON, and has the configured levels only', async () => {
    const file = join(directory, 'a.log');
    const umask = process.umask(0o022);
    const { log } = logTo({ file });
    process.umask(umask);
    for (const fact of [facts.gate_passed, facts.worker_ready, facts.error]) log.write(fact);
    assert.equal(readFileSync(file, 'utf8'), '');
    await log.drained();
    const events = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      events.map((line) => JSON.parse(line).event),
      ['worker_ready', 'error'],
    );
    assert.equal(statSync(file).mode & 0o777, 0o640);
    log.close();
  });

  it('is appended to, and reopened after a rotation', async () => {
    const file = join(directory, 'b.log');
    const { log } = logTo({ file, format: 'human' });
    log.write(facts.worker_ready);
    await log.drained();
    renameSync(file, `${file}.1`);
    log.write(facts.worker_spawned);
    await log.drained();
    log.reopen();
    log.write(facts.worker_ready);
    await log.drained();
    assert.match(readFileSync(`${file}.1`, 'utf8'), /worker ready.*\n.*worker spawned.*\n$/);
    assert.match(readFileSync(file, 'utf8'), /^\S+ info {2}worker ready[^\n]*\n$/);
    log.close();
    const again = logTo({ file, format: 'human' });
    again.log.write(facts.worker_ready);
    await again.log.drained();
    again.log.close();
    assert.equal(readFileSync(file, 'utf8').trimEnd().split('\n').length, 2);
  });

  it('reports a file that cannot be opened', () => {
    assert.throws(() => logTo({ file: directory }), {
      message: `open log file ${directory}: EISDIR: it is a directory`,
    });
    const missing = join(directory, 'no', 'x.log');
    assert.throws(() => logTo({ file: missing }), {
      message: `open log file ${missing}: ENOENT: its directory does not exist`,
    });
  });

  it('goes to standard error while the file cannot be reopened, and back afterwards', async () => {
    const folder = mkdtempSync(join(directory, 'f-'));
    const file = join(folder, 'c.log');
    const { read, write } = openPipe();
    const { log } = logTo({ file }, write);
    log.write(facts.worker_ready);
    renameSync(folder, `${folder}.old`);
    assert.throws(() => log.reopen(), /open log file .*: ENOENT/);
    log.write(facts.worker_spawned);
    assert.throws(() => log.reopen(), /open log file .*: ENOENT/);
    log.write(facts.worker_exited);
    await log.drained();
    renameSync(`${folder}.old`, folder);
    renameSync(file, `${file}.1`);
    log.reopen();
    log.write(facts.worker_killed);
    await log.drained();
    const eventsOf = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).event);
    assert.deepEqual(eventsOf(readFileSync(`${file}.1`, 'utf8')), ['worker_ready']);
    assert.deepEqual(eventsOf(readAll(read)), ['worker_spawned', 'worker_exited']);
    assert.deepEqual(eventsOf(readFileSync(file, 'utf8')), ['worker_killed']);
    log.close();
    closeSync(read);
    closeSync(write);
  });

  it('is written completely at the exit of the process', () => {
    const file = join(directory, 'd.log');
    const { log } = logTo({ file });
    log.write(facts.worker_ready);
    log.flushNow();
    assert.match(readFileSync(file, 'utf8'), /worker_ready/);
    log.close();
  });
});

describe('the log on a pipe', () => {
  it('is JSON without colours', async () => {
    const { read, write } = openPipe();
    const { log } = logTo({}, write);
    log.write(facts.worker_ready);
    await log.drained();
    assert.equal(JSON.parse(readAll(read)).event, 'worker_ready');
    log.close();
    closeSync(read);
    closeSync(write);
  });

  it('never blocks: it drops lines, counts them, and reports them later', async () => {
    const { read, write } = openPipe();
    const { log, timers } = logTo({}, write, 1000);
    for (let round = 0; round < 2000; round += 1) log.write(facts.worker_ready);
    log.flushNow();
    let text = readAll(read);
    timers.fire(50);
    log.write(facts.worker_spawned);
    await log.drained();
    text += readAll(read);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const last = lines.slice(-2);
    assert.equal(last[0].event, 'warning');
    assert.match(last[0].message, /^\d+ lines of this log were dropped/);
    assert.equal(Number.parseInt(last[0].message, 10) + lines.length - 2, 2000);
    assert.equal(last[1].event, 'worker_spawned');
    log.close();
    closeSync(read);
    closeSync(write);
  });

  it('survives the exit of its reader', async () => {
    const { read, write } = openPipe();
    const { log } = logTo({}, write);
    closeSync(read);
    log.write(facts.worker_ready);
    await log.drained();
    log.write(facts.worker_ready);
    await log.drained();
    log.close();
    closeSync(write);
  });

  it('leaves its descriptor unchanged', () => {
    const flagsOf = (fd: number) =>
      /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    const { read, write } = openPipe();
    const before = flagsOf(write);
    const { log } = logTo({}, write);
    log.write(facts.worker_ready);
    log.flushNow();
    assert.equal(flagsOf(write), before);
    log.close();
    assert.equal(flagsOf(write), before);
    closeSync(read);
    closeSync(write);
  });
});

describe('the log in the journal', () => {
  const identityOf = (fd: number) => {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  };

  it('has a priority prefix on each line', async () => {
    const { read, write } = openPipe();
    const { log } = logTo({ level: 'debug', format: 'human' }, write, undefined, identityOf(write));
    for (const fact of [facts.gate_passed, facts.worker_ready, facts.warning, facts.error]) log.write(fact);
    await log.drained();
    const starts = readAll(read).match(/^<\d>(?=\d\d:\d\d:\d\d\.\d{3} )/gm);
    assert.deepEqual(starts, ['<7>', '<6>', '<4>', '<3>']);
    log.close();
    closeSync(read);
    closeSync(write);
  });

  it('has no priority if the variable was inherited from another process', async () => {
    const { read, write } = openPipe();
    for (const stream of [identityOf(2), '1:2', '', undefined]) {
      const { log } = logTo({}, write, undefined, stream);
      log.write(facts.worker_ready);
      await log.drained();
      assert.equal(JSON.parse(readAll(read)).event, 'worker_ready');
      log.close();
    }
    closeSync(read);
    closeSync(write);
  });

  it('has no priority in a file, and gets it when the file fails', async () => {
    const { read, write } = openPipe();
    const folder = mkdtempSync(join(directory, 'j-'));
    const file = join(folder, 'log');
    const { log } = logTo({ file }, write, undefined, identityOf(write));
    log.write(facts.worker_ready);
    await log.drained();
    assert.match(readFileSync(file, 'utf8'), /^\{/);
    rmSync(folder, { recursive: true });
    assert.throws(() => log.reopen());
    log.write(facts.worker_ready);
    await log.drained();
    assert.match(readAll(read), /^<6>\{/);
    log.close();
    closeSync(read);
    closeSync(write);
  });
});

describe('the log on other outputs', () => {
  it('does not treat /dev/null as a terminal', async () => {
    const fd = openSync('/dev/null', 'w');
    const { log } = logTo({}, fd);
    log.write(facts.worker_ready);
    await log.drained();
    log.close();
    closeSync(fd);
  });

  it('supports a socket, as journald passes it', async () => {
    const script = `
      import { createLog } from ${JSON.stringify(new URL('../../../src/telemetry/log.js', import.meta.url).href)};
      const log = createLog({
        config: { format: 'auto', level: 'info' }, fd: 2, colour: true, clock: () => 0,
        timers: { set: () => null, clear: () => {} },
      });
      process.on('exit', () => log.flushNow());
      log.write({ event: 'stop_requested', by: 'first', now: false });
      await log.drained();
      log.write({ event: 'stop_requested', by: 'second', now: false });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += chunk;
    });
    await once(child, 'close');
    assert.deepEqual(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).by),
      ['first', 'second'],
    );
  });
});
