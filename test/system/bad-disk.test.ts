import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import {
  assertUntouched,
  nextReady,
  type PuppetService,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** One handover to the end of the old generation; the new one serves. */
async function handOver({ zero, puppets, reload }: PuppetService, generation: number): Promise<void> {
  const from = reload();
  const puppet = await nextReady(puppets);
  await zero.fact('handover_finished', { outcome: 'promoted', generation }, from);
  await zero.fact('generation_gone', { generation: generation - 1 }, from);
  assert.equal((await whoAnswers(await zero.address('http'))).pid, puppet.pid);
}

async function assertStops({ zero }: PuppetService): Promise<void> {
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
}

function events(service: PuppetService, from = 0): string[] {
  return complaints(service.zero, ['warn', 'error'], from).map(({ event }) => event);
}

describe('a full disk', () => {
  it('under the state file is reported once, and the old state stays whole', DEADLINE, async (t) => {
    const disk = mountSmallDisk(t, '64k');
    if (disk === null) return;
    const service = await startServing(t, { application: { runtime_directory: disk.path } });
    const { zero } = service;
    const state = (): { state: { incumbent: number } } =>
      JSON.parse(readFileSync(join(disk.path, 'state.json'), 'utf8'));
    assert.equal(state().state.incumbent, 1);
    disk.fill();
    // The notify sockets need an inode each.
    disk.release(4);
    await handOver(service, 2);
    await handOver(service, 3);
    const [error, ...more] = zero.log.all('error');
    assert.equal(error?.step, 'write state');
    assert.match(error?.message ?? '', /ENOSPC.*state\.json/);
    assert.deepEqual(more, []);
    assert.equal(state().state.incumbent, 1);
    disk.empty();
    await handOver(service, 4);
    assert.equal(state().state.incumbent, 4);
    assert.deepEqual(events(service), ['error']);
    await assertStops(service);
  });

  it(
    'under the notify sockets fails a reload with one error, and the incumbent goes on',
    DEADLINE,
    async (t) => {
      const disk = mountSmallDisk(t, '64k');
      if (disk === null) return;
      const service = await startServing(t, { application: { runtime_directory: disk.path } });
      const { zero, incumbent, puppets } = service;
      disk.fill();
      service.reload();
      const { outcome, failure } = await zero.fact('handover_finished', { handover: 2 });
      assert.equal(outcome, 'rolled_back');
      assert.match(failure?.reason ?? '', /^start .*: bind .*notify.*: ENOSPC/);
      await assertUntouched(service, incumbent);
      // A crash gives back what the process had.
      await incumbent.die();
      assert.equal((await nextReady(puppets)).generation, 1);
      disk.empty();
      await handOver(service, 3);
      await assertStops(service);
    },
  );

  it('under the history is reported, and no half line is left in it', DEADLINE, async (t) => {
    const disk = mountSmallDisk(t, '16k');
    if (disk === null) return;
    const history = join(disk.path, 'history.jsonl');
    // So that the next line does not fit into the page that the last one ends in.
    const before = `${JSON.stringify({ padding: 'x'.repeat(4000) })}\n`;
    writeFileSync(history, before);
    disk.fill();
    const service = await startServing(t, { application: { data_directory: disk.path } });
    const error = await service.zero.fact('error', { step: 'write history' });
    assert.match(error.message, /ENOSPC/);
    assert.equal(readFileSync(history, 'utf8'), before);
    disk.empty();
    await handOver(service, 2);
    const lines = readFileSync(history, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ generation }) => generation),
      [undefined, 2],
    );
    assert.deepEqual(events(service), ['error']);
    await assertStops(service);
  });

  it('under the log file is reported on standard error, once', DEADLINE, async (t) => {
    const { zero, puppets, ...rest } = await startPuppetService(t, {
      application: { logging: { file: '/dev/full' } },
    });
    const first = await nextReady(puppets);
    rest.reload();
    const second = await nextReady(puppets);
    await first.gone;
    assert.equal(second.generation, 2);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    assert.equal(zero.log.text, 'zero: write log file /dev/full: ENOSPC; trying again');
  });

  it('under standard output is reported once, and costs the output only', DEADLINE, async (t) => {
    const service = await startServing(
      t,
      {},
      { command: ['sh', '-c', 'exec "$@" >/dev/full', 'sh', ...ZERO_COMMAND] },
    );
    const { zero, incumbent } = service;
    for (let count = 0; count < 10; count += 1) await incumbent.write(1, `line ${count}\n`);
    const { message } = await zero.fact('error', { step: 'write stdout' });
    assert.equal(message, 'write stdout: ENOSPC: trying again');
    await handOver(service, 2);
    assert.deepEqual(events(service), ['error']);
    await assertStops(service);
  });

  it('under all of its output ends nothing', DEADLINE, async (t) => {
    const { zero, puppets, ...rest } = await startPuppetService(
      t,
      {},
      { command: ['sh', '-c', 'exec "$@" >/dev/full 2>&1', 'sh', ...ZERO_COMMAND] },
    );
    const first = await nextReady(puppets);
    for (const fd of [1, 2]) await first.write(fd, 'a line\n');
    rest.reload();
    await nextReady(puppets);
    await first.gone;
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });
});

describe('a read-only disk', () => {
  it(
    'under the data directory is reported for each handover, and costs the history only',
    DEADLINE,
    async (t) => {
      const disk = mountSmallDisk(t, '64k');
      if (disk === null) return;
      disk.makeReadOnly();
      const service = await startServing(t, { application: { data_directory: join(disk.path, 'data') } });
      const { message } = await service.zero.fact('error', { step: 'write history' });
      assert.match(message, /EROFS.*data/);
      await handOver(service, 2);
      assert.deepEqual(events(service), ['error', 'error']);
      await assertStops(service);
    },
  );

  it('under the runtime directory keeps zero from starting', DEADLINE, async (t) => {
    const disk = mountSmallDisk(t, '64k');
    if (disk === null) return;
    disk.makeReadOnly();
    const folder = join(disk.path, 'run');
    const zero = startZero(t, {
      config: { application: { runtime_directory: folder }, service: { runtime: { path: '/bin/true' } } },
    });
    assert.deepEqual(await zero.exited, { code: 1, signal: null });
    assert.equal(
      zero.log.text,
      `zero: runtime directory ${folder}: EROFS: set application.runtime_directory to one that this user may write`,
    );
  });

  it('under the log file keeps zero from starting', DEADLINE, async (t) => {
    const file = join(temporaryFolder(t), 'missing', 'log');
    const zero = startZero(t, {
      config: { application: { logging: { file } }, service: { runtime: { path: '/bin/true' } } },
    });
    assert.deepEqual(await zero.exited, { code: 1, signal: null });
    assert.equal(zero.log.text, `zero: open log file ${file}: ENOENT`);
  });
});
