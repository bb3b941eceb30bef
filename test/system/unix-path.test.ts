import assert from 'node:assert/strict';
import { lstatSync, readdirSync, renameSync, rmSync, unlinkSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { freeze } from '../support/freeze.ts';
import { httpGet } from '../support/http-get.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

const REMOVALS = 10;
const SERVICE = `require('node:http').createServer((_, response) => response.end('ok')).listen({ fd: 3 })`;

interface Serving {
  readonly zero: Zero;
  readonly folder: string;
  readonly path: string;
}

async function startServing(t: Scope): Promise<Serving> {
  const folder = temporaryFolder(t);
  const path = join(folder, 'app.sock');
  const config = {
    service: {
      listeners: [{ name: 'app', address: `unix:${path}` }],
      runtime: { path: process.execPath, args: ['-e', SERVICE] },
      options: { reload_uptime: '0s' },
    },
  };
  const zero = startZero(t, { folder, config });
  await zero.fact('generation_promoted', { generation: 1 });
  return { zero, folder, path };
}

/** Resolves when a file appears at the path again. */
function whenThere(path: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dirname(path), (_event, name) => {
      if (name !== basename(path) || lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
      watcher.close();
      resolve();
    });
  });
}

async function assertCleanEnd({ zero, folder }: Serving): Promise<void> {
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('app.sock')),
    [],
  );
}

describe('the path of a shared Unix listener', () => {
  it(
    `is restored within 50 ms after its removal, ${REMOVALS} times, and that is reported`,
    DEADLINE,
    async (t) => {
      const serving = await startServing(t);
      const { zero, path } = serving;
      const { ino } = lstatSync(path);
      const durations: number[] = [];
      for (let removal = 0; removal < REMOVALS; removal += 1) {
        const back = whenThere(path);
        const reported = zero.fact('warning', { about: 'lane' }, zero.cursor);
        const begin = performance.now();
        unlinkSync(path);
        await back;
        durations.push(performance.now() - begin);
        assert.equal(lstatSync(path).ino, ino);
        const { message } = await reported;
        assert.equal(message, 'listener app: its path was removed or replaced; zero has restored it');
      }
      // Other load of the machine can delay any one of them, but not all.
      assert.ok(Math.min(...durations) < 50, durations.join(' '));
      assert.equal((await httpGet(path, '/')).body, 'ok');
      await assertCleanEnd(serving);
    },
  );

  it('is not touched while another file is there, and restored when that is removed', DEADLINE, async (t) => {
    const serving = await startServing(t);
    const { zero, folder, path } = serving;
    writeFileSync(join(folder, 'other'), 'of somebody else');
    renameSync(join(folder, 'other'), path);
    const { message } = await zero.fact('warning', { about: 'lane' });
    assert.match(message, /^listener app: its path leads to another file now/);
    assert.ok(lstatSync(path).isFile());
    const back = whenThere(path);
    unlinkSync(path);
    await back;
    assert.equal((await httpGet(path, '/')).body, 'ok');
    await assertCleanEnd(serving);
  });

  it('is reported as lost if the hard link of zero is removed together with it', DEADLINE, async (t) => {
    const serving = await startServing(t);
    const { zero, path } = serving;
    // zero is stopped, so it sees both changes at once.
    await freeze(zero);
    for (const name of [path, join(dirname(path), '.app.sock.0')]) rmSync(name);
    zero.signal('SIGCONT');
    const { message } = await zero.fact('warning', { about: 'lane' });
    assert.match(message, /^listener app: its path was removed together with the hard link of zero/);
    await assertCleanEnd(serving);
  });
});
