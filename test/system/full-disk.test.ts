import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { IS_ROOT } from '../support/privileges.ts';
import { becomeReady, nextReady, startPuppetService, whoAnswers } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** Only processes in this namespace see the small disk. */
const NAMESPACE = ['--mount', ...(IS_ROOT ? [] : ['--map-root-user'])];
const MOUNT = 'mount -t tmpfs -o size=256k none "$0"';

/** Writes empty lines until the disk is full, including the last page of the file. */
function fill(file: string): void {
  const bytes = Buffer.alloc(4096, '\n');
  assert.throws(() => {
    for (;;) appendFileSync(file, bytes);
  }, /ENOSPC/);
}

it(
  'a full disk causes one error for the state and one for the history, and loses no history line and no handover',
  DEADLINE,
  async (t) => {
    const folder = temporaryFolder(t);
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    if (spawnSync('unshare', [...NAMESPACE, 'sh', '-c', MOUNT, disk]).status !== 0)
      return t.skip('needs a mount namespace of its own: unshare(1), and the rights of root');
    const service = await startPuppetService(
      t,
      { application: { runtime_directory: join(disk, 'run'), data_directory: join(disk, 'data') } },
      {
        folder,
        command: ['unshare', ...NAMESPACE, 'sh', '-c', `${MOUNT} && exec "$@"`, disk, ...ZERO_COMMAND],
      },
    );
    const { zero, puppets } = service;
    const inside = (...path: string[]) => join(`/proc/${zero.pid}/root`, disk, ...path);
    const first = puppets.next();
    await zero.fact('worker_spawned');
    fill(inside('filler'));
    fill(inside('data', 'history.jsonl'));
    const puppet = await first;
    await puppet.listen({ name: 'http' });
    await becomeReady(puppet);
    await zero.fact('handover_finished', { outcome: 'promoted' });
    const address = await zero.address('http');
    assert.equal((await whoAnswers(address)).pid, puppet.pid);

    let from = service.reload();
    await nextReady(puppets);
    await zero.fact('generation_gone', { generation: 1 }, from);
    const said = complaints(zero).map((fact) => ('message' in fact ? fact.message : fact.event));
    assert.deepEqual(
      said.map((message) => message.replaceAll(disk, '')),
      [
        'write history /data/history.jsonl: ENOSPC: no space left on device, write',
        'write state /run/state.json: ENOSPC: no space left on device, write',
      ],
    );

    rmSync(inside('filler'));
    from = service.reload();
    const last = await nextReady(puppets);
    await zero.fact('generation_gone', { generation: 2 }, from);
    assert.deepEqual(complaints(zero, ['warn', 'error'], from), []);
    assert.equal((await whoAnswers(address)).pid, last.pid);
    const state = JSON.parse(readFileSync(inside('run', 'state.json'), 'utf8'));
    assert.equal(state.incumbent, 3);
    const history = readFileSync(inside('data', 'history.jsonl'), 'utf8').split('\n').filter(Boolean);
    const generations = new Set(history.map((line) => JSON.parse(line).generation));
    assert.ok(
      [1, 2, 3].every((generation) => generations.has(generation)),
      history.join('\n'),
    );
  },
);
