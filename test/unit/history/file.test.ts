import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HistoryFile } from '../../../src/history/file.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { served } from './support.ts';

function start(t: TestContext, folder = join(temporaryFolder(t), 'data'), limit?: number) {
  const failures: string[] = [];
  const history = new HistoryFile(folder, {
    clock: () => Date.parse('2026-11-24T12:00:00Z'),
    failed: (error) => failures.push(error instanceof Error ? error.message : String(error)),
    recovered: () => {},
    warn: (error) => failures.push(error instanceof Error ? error.message : String(error)),
    ...(limit === undefined ? {} : { limit }),
  });
  t.after(() => history.synced());
  return { folder, history, failures, file: join(folder, 'history.jsonl') };
}

const generations = (history: HistoryFile): unknown[] =>
  history.read().lines.map((line) => 'generation' in line && line.generation);

test('appended lines are read again, also by another supervisor', (t) => {
  const { folder, history, file } = start(t);
  assert.deepEqual(history.read(), { lines: [], torn: 0, newer: [] });
  assert.equal(history.highest().generation, 0);
  history.append(served(1));
  history.append([{ event: 'serves', generation: 2 }]);
  const later = start(t, folder).history;
  assert.deepEqual(generations(later), [1, 1, 1, 2]);
  assert.equal(later.highest().generation, 2);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o711);
});

test('a torn last line is skipped, and the next one starts on a new line', (t) => {
  const { history, file } = start(t);
  history.append(served(1));
  appendFileSync(file, '{"at":"2026-11-24T12:00:00.000Z","event":"serves","generation":7,"in');
  assert.equal(history.highest().generation, 7);
  history.append([{ event: 'serves', generation: 8 }]);
  assert.deepEqual(generations(history), [1, 1, 1, 8]);
  assert.equal(history.read().torn, 1);
});

test('the readable part of a torn file is used', (t) => {
  const { history, file } = start(t);
  for (const generation of [1, 2, 3, 4]) history.append(served(generation));
  const bytes = readFileSync(file);
  for (const half of [bytes.subarray(0, bytes.length / 2 + 7), bytes.subarray(bytes.length / 2 + 7)]) {
    writeFileSync(file, half);
    const { lines, torn } = history.read();
    assert.ok(lines.length >= 5, `${lines.length} lines`);
    assert.equal(torn, 1);
  }
  writeFileSync(file, Buffer.alloc(5000, 0));
  assert.deepEqual(history.read(), { lines: [], torn: 1, newer: [] });
});

test('lines of a newer zero are counted, stay in the file, and keep their numbers', (t) => {
  const { history, file } = start(t);
  history.append(served(1));
  const newer = '{"version":9,"when":"noon","generation":7}\n';
  appendFileSync(file, newer);
  history.append([{ event: 'serves', generation: 8 }]);
  assert.deepEqual(generations(history), [1, 1, 1, 8]);
  const { torn, newer: versions } = history.read();
  assert.deepEqual([torn, versions], [0, [9]]);
  assert.ok(readFileSync(file, 'utf8').includes(newer));
  appendFileSync(file, newer.replace('7', '12'));
  assert.equal(history.highest().generation, 12);
});

test('a data directory that cannot be written is reported once, and no line is lost', (t) => {
  const { folder, history, failures, file } = start(t);
  // A file in place of the directory, so that the write fails for root too.
  writeFileSync(folder, '');
  history.append(served(1));
  history.append(served(2));
  assert.equal(failures.length, 1);
  assert.match(failures[0] ?? '', /ENOTDIR|EEXIST/);
  const { lines } = history.read();
  assert.equal(lines.length, 6);
  rmSync(folder);
  mkdirSync(folder);
  history.append(served(3));
  assert.equal(readFileSync(file, 'utf8').trim().split('\n').length, 9);
});

test('a large file is rotated, and both files are read', (t) => {
  const { history, file } = start(t, undefined, 2000);
  for (let generation = 1; generation <= 12; generation++) history.append(served(generation));
  assert.ok(existsSync(`${file}.1`));
  assert.ok(statSync(file).size < 3000);
  assert.ok(statSync(`${file}.1`).size < 3000);
  const kept = generations(history);
  assert.equal(kept.at(-1), 12);
  assert.deepEqual(
    kept,
    [...kept].sort((a, b) => Number(a) - Number(b)),
  );
  assert.equal(history.highest().generation, 12);
});
