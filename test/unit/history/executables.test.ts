import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findRelease } from '../../../src/history/available.ts';
import type { HistoryEntry } from '../../../src/history/entries.ts';
import { Executables } from '../../../src/history/executables.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { HASH, recordOfFile } from './support.ts';

const hash = async (fd: number): Promise<string> =>
  createHash('sha256').update(readFileSync(fd)).digest('hex');

function start(t: TestContext) {
  const folder = temporaryFolder(t);
  const file = join(folder, 'server');
  const write = (text: string, mode = 0o755) => {
    writeFileSync(`${file}.new`, text);
    chmodSync(`${file}.new`, mode);
    renameSync(`${file}.new`, file);
  };
  write('first');
  const executables = new Executables(join(folder, 'data'), hash);
  const open = () => {
    const fd = openSync(file, 'r');
    t.after(() => closeSync(fd));
    return fd;
  };
  return { folder, file, write, executables, open, kept: join(folder, 'data', 'executables') };
}

const entry = (changes: Partial<HistoryEntry>): HistoryEntry => ({
  generation: 1,
  at: '2026-11-24T12:00:00.000Z',
  release: null,
  label: null,
  sha256: null,
  notKept: null,
  handover: null,
  rollbackTo: null,
  outcome: 'promoted',
  failure: null,
  duration: 1,
  served: 1,
  ...changes,
});

test('the started bytes are kept under their hash, even if the path has changed', async (t) => {
  const { file, write, executables, open, kept } = start(t);
  const release = recordOfFile(file);
  const fd = open();
  write('the second one');
  const sha256 = await executables.hash(fd, release);
  await executables.keep(fd, release, sha256);
  const copy = executables.find(sha256, file, release.size);
  assert.equal(copy, join(kept, sha256, 'server'));
  assert.equal(readFileSync(String(copy), 'utf8'), 'first');
  assert.equal(await executables.isIntact(String(copy), sha256), true);
  assert.equal(executables.hashOf(String(copy)), sha256);
  assert.equal(executables.hashOf(file), null);
  assert.deepEqual(readdirSync(kept), [sha256]);
});

test('a copy has the permissions of the original without set-user-ID, and other users may reach it', async (t) => {
  const { file, write, executables, open, kept } = start(t);
  write('private', 0o4750);
  const release = recordOfFile(file);
  await executables.keep(open(), release, HASH('a'));
  assert.equal(statSync(join(kept, HASH('a'), 'server')).mode & 0o7777, 0o750);
  for (const folder of [kept, join(kept, HASH('a'))]) assert.equal(statSync(folder).mode & 0o777, 0o711);
});

test('a file that was changed after the start is not kept', async (t) => {
  const { file, executables, open, kept } = start(t);
  const release = recordOfFile(file, { mtime_ms: 1 });
  await assert.rejects(executables.hash(open(), release), /was written to after it was started/);
  await assert.rejects(executables.keep(open(), release, HASH('a')), /was written to/);
  assert.deepEqual(readdirSync(kept), []);
});

test('a data directory that refuses a copy is reported', async (t) => {
  const { folder, file, executables, open } = start(t);
  writeFileSync(join(folder, 'data'), '');
  await assert.rejects(executables.keep(open(), recordOfFile(file), HASH('a')), /ENOTDIR|EEXIST/);
});

test('a changed copy is detected', async (t) => {
  const { file, executables, open } = start(t);
  const release = recordOfFile(file);
  const fd = open();
  const sha256 = await executables.hash(fd, release);
  await executables.keep(fd, release, sha256);
  const copy = String(executables.find(sha256, file, release.size));
  writeFileSync(copy, 'fIrst');
  assert.equal(await executables.isIntact(copy, sha256), false);
  writeFileSync(copy, 'longer than it was');
  assert.equal(executables.find(sha256, file, release.size), null);
});

test('unneeded copies are removed', async (t) => {
  const { file, write, executables, open, kept } = start(t);
  for (const digit of ['a', 'b', 'c']) {
    write(digit);
    await executables.keep(open(), recordOfFile(file), HASH(digit));
  }
  await executables.prune((hash) => hash === HASH('b'));
  assert.deepEqual(readdirSync(kept), [HASH('b')]);
});

test('a release is found in its own file, then in its copy, or is missing with the reason', async (t) => {
  const { folder, file, write, executables, open } = start(t);
  const release = recordOfFile(file, { directory: folder });
  const found = (changes: Partial<HistoryEntry>) =>
    findRelease(entry({ release, sha256: HASH('a'), ...changes }), executables);
  const reason = (changes: Partial<HistoryEntry>) => {
    const result = found(changes);
    return result.from === null ? result.reason : result.from;
  };
  assert.equal(found({}).from, 'file');
  await executables.keep(open(), release, HASH('a'));
  write('second');
  assert.deepEqual(found({}), {
    from: 'copy',
    executable: executables.find(HASH('a'), file, release.size),
    release,
    sha256: HASH('a'),
  });
  assert.match(reason({ sha256: HASH('b') }), /was replaced, and there is no copy: only the last 3/);
  assert.match(reason({ sha256: null, notKept: 'ENOSPC' }), /there is no copy: ENOSPC/);
  assert.match(reason({ release: { ...release, kind: 'interpreter' } }), /a copy of an interpreter/);
  assert.match(
    reason({ release: { ...release, path: '/no/such', kind: 'interpreter' } }),
    /\/no\/such does not exist any more/,
  );
  assert.match(
    reason({ release: { ...release, directory: '/no/such' } }),
    /its directory \/no\/such does not exist any more/,
  );
  assert.match(reason({ release: null }), /not in the history any more/);
});
