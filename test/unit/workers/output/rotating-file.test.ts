import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RotatingFile, type RotatingFileLimits } from '../../../../src/workers/output/rotating-file.ts';
import { type Scope, temporaryFolder } from '../../../support/temporary.ts';

/** A file in a new directory. `write` writes everything, as a sink does, and rejects with the first error. */
function rotating(scope: Scope, limits: RotatingFileLimits) {
  const folder = temporaryFolder(scope);
  const path = join(folder, 'web.log');
  const problems: unknown[] = [];
  const file = new RotatingFile({ ...limits, path, onNotRotated: (error) => problems.push(error) });
  scope.after(() => file.close());
  const once = (bytes: Buffer): Promise<number> =>
    new Promise((resolve, reject) => {
      file.write(bytes, (error, written) => (error === null ? resolve(written) : reject(error)));
    });
  const write = async (text: string): Promise<void> => {
    for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(await once(rest));
  };
  const names = () => readdirSync(folder).sort();
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  return { folder, path, file, write, names, read, problems };
}

test('lines that do not fit go to the next file, and no line is lost', async (t) => {
  const { write, names, read } = rotating(t, { size: 100, keep: 100 });
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index}\n`);
  for (const line of lines.slice(0, 100)) await write(line);
  // Many lines at once are split.
  await write(lines.slice(100).join(''));
  const files = names().sort((one, two) => Number(two.split('.')[2] ?? 0) - Number(one.split('.')[2] ?? 0));
  assert.equal(files.at(-1), 'web.log');
  assert.equal(files.map(read).join(''), lines.join(''));
  for (const name of files) {
    const text = read(name);
    assert.ok(text.length <= 100 && text.endsWith('\n'), `${name} has ${text.length} bytes`);
  }
});

test('the oldest files are removed', async (t) => {
  const { write, names, read } = rotating(t, { size: 10, keep: 2 });
  for (const text of ['aaaaaaaaa\n', 'bbbbbbbbb\n', 'ccccccccc\n', 'ddddddddd\n']) await write(text);
  assert.deepEqual(names(), ['web.log', 'web.log.1', 'web.log.2']);
  assert.deepEqual(
    names().map((name) => read(name)[0]),
    ['d', 'c', 'b'],
  );
});

test('a smaller keep removes the surplus files at the next rotation', async (t) => {
  const { file, write, names } = rotating(t, { size: 10, keep: 3 });
  for (const text of ['aaaaaaaaa\n', 'bbbbbbbbb\n', 'ccccccccc\n', 'ddddddddd\n']) await write(text);
  file.configure({ size: 10, keep: 0 });
  await write('eeeeeeeee\n');
  assert.deepEqual(names(), ['web.log']);
});

test('a line longer than a file gets its own file', async (t) => {
  const { write, names, read } = rotating(t, { size: 10, keep: 9 });
  const long = `${'x'.repeat(50)}\n`;
  await write('a\n');
  await write(`${long}b\n`);
  assert.deepEqual(names().map(read), ['b\n', long, 'a\n']);
});

test('an existing file is continued, and an incomplete line is terminated', async (t) => {
  const { path, write, read } = rotating(t, { size: 1000, keep: 1 });
  writeFileSync(path, 'before\ntorn');
  await write('after\n');
  assert.equal(read('web.log'), 'before\ntorn\nafter\n');
});

test('a file is created with mode 0640', async (t) => {
  const { path, write } = rotating(t, { size: 1000, keep: 1 });
  const umask = process.umask(0o022);
  t.after(() => process.umask(umask));
  await write('a\n');
  assert.equal(statSync(path).mode & 0o777, 0o640);
});

test('reopen opens the file again by its name', async (t) => {
  const { folder, path, file, write, read } = rotating(t, { size: 1000, keep: 1 });
  await write('one\n');
  renameSync(path, join(folder, 'moved'));
  await write('two\n');
  file.reopen();
  await write('three\n');
  assert.deepEqual([read('moved'), read('web.log')], ['one\ntwo\n', 'three\n']);
});

test('a link and a special file are refused, and nothing is written through them', async (t) => {
  const { folder, path, write, read } = rotating(t, { size: 1000, keep: 1 });
  writeFileSync(join(folder, 'other'), 'other\n');
  symlinkSync(join(folder, 'other'), path);
  await assert.rejects(write('a\n'), { code: 'ELOOP' });
  assert.equal(read('other'), 'other\n');
});

test('a file that cannot be rotated keeps growing, and is reported once until it can be', async (t) => {
  const { folder, write, read, problems } = rotating(t, { size: 10, keep: 1 });
  // A directory that is not empty cannot be replaced by a file (rename(2)).
  mkdirSync(join(folder, 'web.log.1', 'x'), { recursive: true });
  await write('aaaaaaaaa\n');
  await write('bbbbbbbbb\n');
  await write('ccccccccc\n');
  await write('ddddddddd\n');
  assert.equal(read('web.log'), 'aaaaaaaaa\nbbbbbbbbb\nccccccccc\nddddddddd\n');
  assert.equal(problems.length, 1);
  rmSync(join(folder, 'web.log.1'), { recursive: true });
  await write('eeeeeeeee\n');
  assert.equal(read('web.log'), 'eeeeeeeee\n');
  mkdirSync(join(folder, 'web.log.2', 'x'), { recursive: true });
  rmSync(join(folder, 'web.log.1'));
  mkdirSync(join(folder, 'web.log.1', 'x'), { recursive: true });
  await write('fffffffff\n');
  assert.equal(problems.length, 2);
});
