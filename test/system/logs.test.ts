import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { assertUntouched, nextReady, startServing } from '../support/puppet-service.ts';
import { get, rawControl } from '../support/raw-control.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const MIB = 1024 * 1024;

describe('zero logs', () => {
  it(
    'prints the output of exited processes: any bytes, incomplete lines, ordered by time',
    DEADLINE,
    async (t) => {
      const { zero, puppets, incumbent } = await startServing(t, { handover: QUICK });
      const long = `${'x'.repeat(100_000)}\n`;
      await incumbent.write(1, 'first\n');
      await incumbent.write(2, long);
      const reloading = startCommand(t, zero, ['reload']);
      const candidate = await puppets.next();
      await candidate.write(2, 'no such table: users\nlast words');
      await candidate.exit(7);
      assert.equal((await reloading.finished).code, 10);
      await zero.fact('generation_gone', { generation: 2 });
      const all = await command(t, zero, 'logs', '--raw');
      assert.deepEqual([all.code, all.stderr], [0, '']);
      assert.equal(all.stdout, `first\n${long}no such table: users\nlast words\n`);
      assert.equal((await command(t, zero, 'logs', '--raw', '-n', '1')).stdout, 'last words\n');
      const own = await command(t, zero, 'logs', '--raw', '-n', '2', '--generation', '1');
      assert.equal(own.stdout, `first\n${long}`);
    },
  );

  it('prints invalid text unchanged, and reports how much was discarded', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t, { handover: QUICK });
    for (let count = 0; count < 4; count += 1)
      await incumbent.write(1, '\u0000\u001b[2J\r\u00ff'.repeat(MIB / 8));
    await incumbent.write(1, '\nEND\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f', '-n', '1']);
    await incumbent.write(1, 'more\n');
    await following.shown('more\n');
    following.signal('SIGINT');
    assert.equal((await following.finished).code, 0);
    const { code, stdout, stderr } = await command(t, zero, 'logs', '--raw');
    assert.equal(code, 0);
    assert.match(stderr, /^zero: \d+ bytes before this are not kept\n$/);
    assert.ok(stdout.endsWith('\u0000\u001b[2J\r\u00ff\nEND\nmore\n'));
    assert.ok(Buffer.byteLength(stdout) <= MIB / 4);
  });

  it('shows each line with its time and its worker', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t, { handover: QUICK });
    const before = Date.now();
    await incumbent.write(1, 'first\n');
    await incumbent.write(2, 'second\n');
    const { code, stdout, stderr } = await command(t, zero, 'logs');
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => /^(\S+Z) g1\.w0 (.*)$/.exec(line));
    assert.deepEqual(
      lines.map((match) => match?.[2]),
      ['first', 'second'],
    );
    for (const match of lines) {
      const time = Date.parse(match?.[1] ?? '');
      assert.ok(time >= before && time <= Date.now(), stdout);
    }
    const document = JSON.parse((await command(t, zero, 'logs', '--json', '-n', '1')).stdout);
    const [{ time: _, ...line }] = document.lines;
    assert.deepEqual(line, { generation: 1, worker: 0, stream: 'stderr', text: 'second' });
  });

  it('shows the output since a time, and the output of one worker', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { handover: QUICK, runtime: { workers: 1 } });
    await incumbent.write(1, 'early\n');
    const first = JSON.parse((await command(t, zero, 'logs', '--json')).stdout).lines[0].time;
    const reloading = startCommand(t, zero, ['reload']);
    const second = await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    await second.write(1, 'late\n');
    const later = new Date(Date.parse(first) + 1).toISOString();
    const since = async (...args: string[]) => (await command(t, zero, 'logs', '--raw', ...args)).stdout;
    assert.equal(await since('--since', first), 'early\nlate\n');
    assert.equal(await since('--since', later), 'late\n');
    assert.equal(await since('--since', '1h', '-n', '1'), 'late\n');
    assert.equal(await since('--since', '1h', '--worker', '0'), 'early\nlate\n');
    assert.equal(await since('--since', '1h', '--worker', '1'), '');
    for (const wrong of ['soon', '5', '25:00', '2026-11-26', '-5m']) {
      const { code, stderr } = await command(t, zero, 'logs', `--since=${wrong}`);
      assert.equal(code, 2, wrong);
      assert.match(stderr, /^zero logs: --since .* is not a time\. Write a duration/);
    }
  });

  it('refuses a generation without output, and an invalid number', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    const unknown = await command(t, zero, 'logs', '--generation', '7');
    assert.deepEqual(
      [unknown.code, unknown.stdout, unknown.stderr],
      [1, '', 'zero logs: no output of generation 7 is kept. Kept generations: 1\n'],
    );
    for (const wrong of [['-n', '-1'], ['-n', 'all'], ['--generation', 'x'], ['--nonsense']]) {
      assert.equal((await command(t, zero, 'logs', ...wrong)).code, 2, wrong.join(' '));
    }
  });
});

describe('zero logs -f', () => {
  it('continues over handovers, and ends with zero', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { handover: QUICK });
    await incumbent.write(1, 'before\n');
    const following = startCommand(t, zero, ['logs', '--raw', '--follow']);
    const one = startCommand(t, zero, ['logs', '--raw', '-f', '--generation', '1']);
    await following.shown('before\n');
    await one.shown('before\n');
    const reloading = startCommand(t, zero, ['reload']);
    const second = await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    await second.write(1, 'after\n');
    await following.shown('after\n');
    // Its generation has exited, so no more output can arrive.
    assert.deepEqual(await one.finished, { code: 0, signal: null, stdout: 'before\n', stderr: '' });
    assert.equal((await command(t, zero, 'stop')).code, 0);
    const { code, stdout, stderr } = await following.finished;
    assert.deepEqual([code, stdout, stderr], [0, 'before\nafter\n', '']);
  });

  it('reports a kill of zero', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t, { handover: QUICK });
    await incumbent.write(1, 'before\n');
    const following = startCommand(t, zero, ['logs', '-f']);
    await following.shown('before\n');
    zero.signal('SIGKILL');
    const { code, stderr } = await following.finished;
    assert.deepEqual([code, stderr], [1, 'zero logs: zero exited unexpectedly. Check its log.\n']);
  });

  it('does not block anything when its output is not read: the reader finds a gap', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets, incumbent } = service;
    await command(t, zero, 'status');
    const reader = await rawControl(t, zero, get('/v1/logs?follow=true'));
    await incumbent.write(1, 'begin\n');
    await reader.until(/begin/);
    reader.socket.pause();
    const line = `${'y'.repeat(1023)}\n`;
    for (let count = 0; count < 8; count += 1) await incumbent.write(1, line.repeat(1024));
    // Everything else continues during that time.
    const reloading = startCommand(t, zero, ['reload']);
    const second = await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    await second.write(1, 'END\n');
    assert.match((await command(t, zero, 'logs', '--raw', '-n', '1')).stdout, /^END\n$/);
    reader.socket.resume();
    await reader.until(/END/);
    const gaps = [...reader.text.matchAll(/"gap":\{"bytes":(\d+)\}/g)];
    const missed = gaps.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    const printed = [...reader.text.matchAll(/"text":"((?:[^"\\]|\\.)*)"/g)].reduce(
      (sum, [, text = '']) => sum + JSON.parse(`"${text}"`).length,
      0,
    );
    assert.equal(missed + printed, 'begin\n'.length + 8 * MIB + 'END\n'.length);
    assert.ok(missed > 4 * MIB, `only ${missed} bytes were missed`);
  });
});

describe('zero signal', () => {
  it('reaches only the workers of the serving generation, with any signal name', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets, incumbent } = service;
    await incumbent.onSignal('SIGUSR1', 'report');
    const reloading = startCommand(t, zero, ['reload']);
    const candidate = await puppets.next();
    await candidate.onSignal('SIGUSR1', 'report');
    for (const name of ['SIGUSR1', 'usr1', '10']) {
      const { cursor } = incumbent;
      const { code, stdout } = await command(t, zero, 'signal', name);
      assert.deepEqual([code, stdout], [0, `SIGUSR1 sent to generation 1: pid ${incumbent.pid}\n`]);
      await incumbent.event('signal', { signal: 'SIGUSR1' }, cursor);
    }
    assert.equal(candidate.cursor, 0);
    assert.equal((await command(t, zero, 'abort')).code, 0);
    assert.equal((await reloading.finished).code, 12);
    assert.equal(zero.log.all('worker_signalled', { signal: 'SIGUSR1', pid: incumbent.pid }).length, 3);
  });

  it('counts as a crash if it ends the worker, which is restarted', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { handover: QUICK });
    assert.equal((await command(t, zero, 'signal', 'KILL')).code, 0);
    await zero.fact('worker_exited', { pid: incumbent.pid, expected: false });
    const again = await nextReady(puppets);
    assert.equal(again.generation, 1);
  });

  it('is refused for an unknown signal, or without a worker', DEADLINE, async (t) => {
    const service = await startServing(t, {
      handover: QUICK,
      restart: { backoff: { initial: '1h', max: '1h' } },
    });
    const { zero, incumbent } = service;
    for (const wrong of [['SIGNOTHING'], ['0'], ['99'], ['']]) {
      const { code, stderr } = await command(t, zero, 'signal', ...wrong);
      assert.deepEqual(
        [code, stderr],
        [2, `zero signal: unknown signal "${wrong[0]}". Write a name such as SIGUSR1, or a number\n`],
      );
    }
    assert.equal((await command(t, zero, 'signal')).code, 2);
    await assertUntouched(service, incumbent);
    await incumbent.exit(1);
    await zero.fact('worker_restarting', {});
    const { code, stderr } = await command(t, zero, 'signal', 'HUP');
    assert.equal(code, 1);
    assert.match(stderr, /^zero signal: no worker of generation 1 runs at the moment/);
  });
});
