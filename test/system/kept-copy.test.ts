import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { startCommand } from '../support/command.ts';
import { startKept, variable } from '../support/deployed.ts';
import { freeze } from '../support/freeze.ts';
import { childrenOf } from '../support/processes.ts';
import { nextReady } from '../support/puppet-service.ts';
import { reversed, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** Bytes whose hashing takes long enough to find the hashing process. */
const BALLAST = 256 * 1024 * 1024;

/** Polls until the value is not null. */
async function eventually<T>(look: () => T | null): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== null) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it('a rollback keeps its copy while its hook runs and old copies are removed', DEADLINE, async (test) => {
  const t = reversed(test);
  // While this FIFO exists, the hook waits until the test writes a line.
  const gate = join(temporaryFolder(t), 'gate');
  const hooks = { before_reload: { run: ['sh', '-c', `[ ! -e ${gate} ] || read -r line < ${gate}`] } };
  const service = await startKept(t, { hooks });
  const { zero, puppets, folder } = service;
  for (const generation of [2, 3]) {
    service.deploy(String(generation));
    zero.signal('SIGHUP');
    await nextReady(puppets);
    await zero.fact('executable_kept', { generation });
  }
  const executables = join(folder, 'data', 'executables');
  const [first] = await service.history();
  const copy = join(executables, String(first?.release?.sha256), 'server');
  assert.ok(existsSync(copy));

  // The copies of the last three are kept: this one removes that of the first.
  service.deploy('4', BALLAST);
  zero.signal('SIGHUP');
  await nextReady(puppets);
  const hashing = await eventually(() => childrenOf(zero.pid, 'sha256sum')[0] ?? null);
  await freeze({ pid: hashing });
  await zero.fact('generation_promoted', { generation: 4 });
  execFileSync('mkfifo', ['-m', '666', gate]);
  // Opened for reading and writing: for writing alone open(2) would wait for the hook (fifo(7)).
  const gateFd = openSync(gate, constants.O_RDWR);
  t.after(() => closeSync(gateFd));
  const from = zero.cursor;
  const rolling = startCommand(t, zero, ['rollback', '--to', '1']);
  await zero.fact('rollback_found', { generation: 1, from: 'copy' });
  await zero.fact('hook_started', { hook: 'before_reload' }, from);

  const superfluous = join(executables, 'superfluous');
  mkdirSync(superfluous);
  process.kill(hashing, 'SIGCONT');
  await zero.fact('executable_kept', { generation: 4 });
  await eventually(() => (existsSync(superfluous) ? null : true));
  assert.ok(existsSync(copy), 'the copy was removed while the rollback waits for its hook');
  writeSync(gateFd, '\n');
  const back = await nextReady(puppets);
  const { code, stderr } = await rolling.finished;
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual([back.generation, variable(back, 'VERSION')], [5, '1']);
  await zero.fact('executable_kept', { generation: 5 });
  assert.ok(existsSync(copy));
});
