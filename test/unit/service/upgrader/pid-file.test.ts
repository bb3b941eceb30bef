import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { PidFile } from '../../../../src/service/upgrader/pid-file.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const OWN = `${process.pid}\n`;

test('the pid file is written completely, or not at all', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'app.pid');
  const file = new PidFile(path);
  file.prepare();
  assert.equal(existsSync(path), false);
  file.commit();
  assert.equal(readFileSync(path, 'latin1'), OWN);
  file.prepare();
  file.discard();
  assert.deepEqual(readdirSync(folder), ['app.pid']);
});

test('the pid file is restored only if it contains the failed process', (t) => {
  const path = join(temporaryFolder(t), 'app.pid');
  const file = new PidFile(path);
  for (const [before, after] of [
    ['7\n', OWN],
    ['8\n', '8\n'],
    ['', ''],
  ] as const) {
    writeFileSync(path, before);
    file.restore(7);
    assert.equal(readFileSync(path, 'latin1'), after);
  }
});

test('the pid file is removed only if it contains this process', (t) => {
  const path = join(temporaryFolder(t), 'app.pid');
  const file = new PidFile(path);
  writeFileSync(path, '7\n');
  file.leave();
  assert.equal(existsSync(path), true);
  writeFileSync(path, OWN);
  file.leave();
  file.leave();
  assert.equal(existsSync(path), false);
});

test('a failed write is reported, and leaves no file', (t) => {
  const folder = temporaryFolder(t);
  assert.throws(
    () => new PidFile(join(folder, 'none', 'pid')).prepare(),
    /^Error: cannot write pid file .*\/none\/pid: ENOENT$/,
  );
  mkdirSync(join(folder, 'pid', 'full'), { recursive: true });
  const file = new PidFile(join(folder, 'pid'));
  file.prepare();
  assert.throws(() => file.commit(), /^Error: cannot write pid file .*\/pid: (EISDIR|ENOTEMPTY|EEXIST)$/);
  assert.deepEqual(readdirSync(folder), ['pid']);
});
