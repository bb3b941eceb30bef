import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Operator, ordinaryUser, runIn, startIn, writeService } from '../support/operators.ts';
import { DEADLINE } from '../support/zero.ts';

const PROGRAM = [process.execPath, 'app.js'];

/** A history under the name of the executable, as earlier releases of zero wrote it. */
async function served(t: TestContext, me: Operator, directory: string): Promise<void> {
  writeService(me, directory);
  const name = basename(process.execPath);
  const { zero } = await startIn(t, me, directory, 'run', '--name', name, '--', ...PROGRAM);
  zero.signal('SIGTERM');
  await zero.exited;
}

describe('a service without a name whose history has the name of its executable', () => {
  it('continues that history, and reports it in one line', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    const directory = join(folder, 'shop');
    await served(t, me, directory);
    const { zero, name } = await startIn(t, me, directory, 'run', '--', ...PROGRAM);
    assert.equal(name, basename(process.execPath));
    const [warning, ...more] = zero.log.all('warning', { about: 'name' });
    assert.match(
      warning?.message ?? '',
      /^the history of this service in .*\/state\/zero\/node is continued under its earlier name, node\. Set /,
    );
    assert.deepEqual(more, []);
    assert.equal(zero.log.all('generation_promoted')[0]?.generation, 2);
    assert.equal((await runIn(t, me, directory, 'status', '--name', name)).code, 0);
  });

  it('starts a new history if another service has used that one too', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    await served(t, me, join(folder, 'other'));
    const directory = join(folder, 'shop');
    await served(t, me, directory);
    const { zero, name } = await startIn(t, me, directory, 'run', '--', ...PROGRAM);
    assert.match(name, /^shop-[0-9a-f]{8}$/);
    const [warning] = zero.log.all('warning', { about: 'name' });
    assert.match(
      warning?.message ?? '',
      /^a new history is started under the name shop-.* set the name node /,
    );
    assert.equal(zero.log.all('generation_promoted')[0]?.generation, 1);
    assert.ok(existsSync(join(folder, 'state', 'zero', 'node', 'history.jsonl')));
    zero.signal('SIGTERM');
    await zero.exited;
    const next = await startIn(t, me, directory, 'run', '--', ...PROGRAM);
    assert.deepEqual([next.name, next.zero.log.all('warning', { about: 'name' })], [name, []]);
  });

  it('is independent of a service in another directory', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    await served(t, me, join(folder, 'other'));
    const directory = join(folder, 'shop');
    writeService(me, directory);
    const { zero, name } = await startIn(t, me, directory, 'run', '--', ...PROGRAM);
    assert.match(name, /^shop-[0-9a-f]{8}$/);
    assert.deepEqual(zero.log.all('warning', { about: 'name' }), []);
  });
});
