import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { HistoryDocument } from '../../src/control/protocol.ts';
import { readState, type SavedState } from '../../src/supervisor/state-format/read.ts';
import { command } from '../support/command.ts';
import { ROOT } from '../support/paths.ts';
import { becomeReady, nextReady, puppetConfig, startServing } from '../support/puppet-service.ts';
import { startPuppets } from '../support/puppets.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

function stateFile({ folder }: Zero): string {
  return join(folder, 'run', 'state.json');
}

const BOOT_ID = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

/** The state as another supervisor reads it, including every field. */
function saved(zero: Zero): SavedState {
  const text = readFileSync(stateFile(zero), 'utf8');
  const read = readState(text, { instance: 'test', bootId: BOOT_ID });
  if ('problem' in read) assert.fail(read.problem.message);
  assert.deepEqual(read.state, JSON.parse(text));
  return read.state;
}

function stages({ generations }: SavedState): (string | number)[][] {
  return generations.map(({ generation, stage }) => [generation, stage.name]);
}

function startTimeOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
}

describe('state.json', () => {
  it('is correct at each transition, and removed at the end', DEADLINE, async (t) => {
    const puppets = await startPuppets(t);
    const zero = startZero(t, { config: puppetConfig(puppets) });
    const first = await puppets.next();
    await zero.fact('worker_spawned', { generation: 1 });
    assert.deepEqual(stages(saved(zero)), [[1, 'starting']]);

    await becomeReady(first);
    await zero.fact('generation_promoted', { generation: 1 });
    assert.deepEqual(stages(saved(zero)), [[1, 'serving']]);

    zero.signal('SIGHUP');
    const second = await puppets.next();
    await zero.fact('worker_spawned', { generation: 2 });
    const during = saved(zero);
    assert.deepEqual(stages(during), [
      [1, 'serving'],
      [2, 'starting'],
    ]);
    assert.deepEqual(during.handover?.step, { name: 'starting', candidate: 2 });
    assert.equal(during.incumbent, 1);

    await first.onSignal('SIGTERM', 'report');
    await becomeReady(second);
    await zero.fact('generation_retiring', { generation: 1 });
    assert.deepEqual(stages(saved(zero)), [
      [1, 'stopping'],
      [2, 'serving'],
    ]);
    assert.equal(saved(zero).incumbent, 2);

    await first.exit(0);
    await zero.fact('generation_gone', { generation: 1 });
    assert.deepEqual(stages(saved(zero)), [[2, 'serving']]);

    await second.onSignal('SIGTERM', 'report');
    zero.signal('SIGTERM');
    await zero.fact('stop_requested');
    assert.deepEqual(stages(saved(zero)), [[2, 'stopping']]);
    assert.equal(saved(zero).stop?.sigkill_sent, false);
    await second.exit(0);
    assert.equal((await zero.exited).code, 0);
    assert.equal(existsSync(stateFile(zero)), false);
    assert.deepEqual(
      readdirSync(join(zero.folder, 'run')).filter((name) => name.startsWith('state')),
      [],
    );
  });

  it('has the data with which another supervisor finds the processes and sockets', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t);
    await incumbent.die();
    const again = await nextReady(puppets);
    await zero.fact(
      'worker_ready',
      {},
      zero.log.facts.findIndex(({ event }) => event === 'worker_restarting'),
    );
    const state = saved(zero);
    assert.equal(state.version, 2);
    assert.equal(state.instance, 'test');
    assert.equal(state.config_file, zero.config);
    assert.equal(state.boot_id, BOOT_ID);
    const { first_started_monotonic_ms: started, ...supervisor } = state.supervisor;
    const identity = { pid: zero.pid, start_time_ticks: startTimeOf(zero.pid) };
    assert.deepEqual(supervisor, { ...identity, restarts: 0, upgrades: 0 });
    assert.ok(started !== undefined && started > 0);
    const pipe = (fd: number): number => statSync(`/proc/${again.pid}/fd/${fd}`).ino;
    // The running ones, without the crashed one.
    assert.deepEqual(state.processes, [
      {
        generation: 1,
        worker: 0,
        incarnation: 2,
        pid: again.pid,
        start_time_ticks: startTimeOf(again.pid),
        session: again.pid,
        stdout_inode: pipe(1),
        stderr_inode: pipe(2),
        ready: { fd: 10, inode: pipe(10) },
      },
    ]);
    const [listener, ...others] = state.listeners;
    assert.deepEqual(others, []);
    assert.equal(listener?.name, 'http');
    assert.equal(`socket:[${listener.inode}]`, again.announcement.fds['3']);
    assert.equal(statSync(stateFile(zero)).mode & 0o777, 0o600);
  });

  it('has the main process that MAINPID= announced, with its own start time', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t);
    const pid = await incumbent.successor([3], 'new');
    await puppets.next();
    await incumbent.notify(`MAINPID=${pid}`);
    await zero.fact('worker_pid_changed', { generation: 1, pid });
    const [process] = saved(zero).processes;
    assert.equal(process?.pid, pid);
    assert.equal(process.start_time_ticks, startTimeOf(pid));
    assert.equal(process.session, incumbent.pid);
  });

  it('and all other files contain no value of the environment', DEADLINE, async (t) => {
    const { zero, incumbent, reload, puppets } = await startServing(t, {
      environment: { TOKEN: 'hush-4711' },
    });
    assert.ok(incumbent.environment.map(String).includes('TOKEN=hush-4711'));
    reload();
    await (await puppets.next()).exit(1);
    await zero.fact('handover_finished', { outcome: 'rolled_back' });
    for (const folder of ['run', 'data']) {
      for (const entry of readdirSync(join(zero.folder, folder), { withFileTypes: true, recursive: true })) {
        if (!entry.isFile()) continue;
        const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
        assert.ok(!text.includes('hush-4711'), entry.name);
      }
    }
    assert.ok(!zero.log.text.includes('hush-4711'));
  });
});

describe('history.jsonl', () => {
  it('has a line for the end of each handover, over restarts of zero', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const puppets = await startPuppets(t);
    const config = puppetConfig(puppets);
    const first = startZero(t, { config, folder });
    await nextReady(puppets);
    await first.fact('handover_finished', { handover: 1 });
    first.signal('SIGHUP');
    await (await puppets.next()).exit(3);
    await first.fact('handover_finished', { handover: 2 });
    first.signal('SIGTERM');
    await first.exited;

    const second = startZero(t, { config, folder });
    await nextReady(puppets);
    await second.fact('handover_finished', { handover: 3 });
    const lines = readFileSync(join(folder, 'data', 'history.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const entries = lines
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'handover_finished');
    assert.deepEqual(
      entries.map(({ outcome, generation, incumbent, failure }) => ({
        outcome,
        generation,
        incumbent,
        failure,
      })),
      [
        { outcome: 'promoted', generation: 1, incumbent: 1, failure: null },
        {
          outcome: 'rolled_back',
          generation: 2,
          incumbent: 1,
          failure: { step: 'exit', reason: 'exited with code 3' },
        },
        // Numbers continue: the releases of an earlier supervisor can still be rollback targets.
        { outcome: 'promoted', generation: 3, incumbent: 3, failure: null },
      ],
    );
    for (const { version, time, duration_ms } of entries) {
      assert.equal(version, 2);
      assert.ok(!Number.isNaN(Date.parse(time)));
      assert.ok(duration_ms >= 0);
    }
  });

  it('of an earlier or a newer zero is used as far as possible, and kept', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'data', 'history.jsonl');
    const before = `${readFileSync(join(ROOT, 'test/fixtures/formats/history-1.jsonl'), 'utf8')}{"version":9,"generation":40}\n`;
    mkdirSync(join(folder, 'data'));
    writeFileSync(file, before);
    const puppets = await startPuppets(t);
    const zero = startZero(t, { config: puppetConfig(puppets), folder });
    await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 41 });
    const { code, stdout, stderr } = await command(t, zero, 'history', '--json');
    assert.equal(code, 0, stderr);
    const { generations } = JSON.parse(stdout) as HistoryDocument;
    assert.deepEqual(
      generations.map(({ generation }) => generation),
      [...Array.from({ length: 14 }, (_, index) => index + 1), 41],
    );
    assert.equal(generations[8]?.outcome, 'rolled_back');
    const { message } = await zero.fact('warning', { about: 'history' });
    assert.equal(
      message,
      `history ${file}: lines of a newer zero are ignored: 1 (version 9, this zero reads versions 1 to 2). They stay in the file.`,
    );
    assert.ok(readFileSync(file, 'utf8').startsWith(before));
  });
});
