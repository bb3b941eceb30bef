import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { startPuppets } from '../support/puppets.ts';
import { reversed } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero } from '../support/zero.ts';

const NAME = `zero-test-${process.pid}`;

describe('zero run --workers', () => {
  it('starts that number of workers, and is found by its name', DEADLINE, async (test) => {
    const t = reversed(test);
    // The directories of root's instances, which this test cannot configure.
    for (const root of ['/run/zero', '/var/lib/zero'])
      t.after(() => rmSync(`${root}/${NAME}`, { recursive: true, force: true }));
    const puppets = await startPuppets(t);
    const zero = startZero(t, {
      args: ['run', '--name', NAME, '--workers', '2', '--listen', '127.0.0.1:0', '--', ...puppets.command],
      environment: puppets.environment,
    });
    const workers = [await puppets.next(), await puppets.next()];
    for (const worker of workers) await worker.listen({ name: 'listener1' });
    await zero.fact('generation_promoted', { generation: 1 });
    const environment = { XDG_RUNTIME_DIR: `${zero.folder}/xdg-run` };
    const status = await runZero(t, { args: ['status', '--name', NAME, '--json'], environment });
    assert.equal(status.code, 0, status.stderr);
    const [generation] = JSON.parse(status.stdout).generations;
    assert.deepEqual(
      generation.workers.map(({ pid }: { pid: number }) => pid).sort(),
      workers.map(({ pid }) => pid).sort(),
    );
  });
});
