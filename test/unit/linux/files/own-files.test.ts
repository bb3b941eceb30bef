import assert from 'node:assert/strict';
import {
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  makeOwnDirectory,
  openOwnFile,
  readOwnFile,
  UntrustedDirectoryError,
  writeOwnFile,
} from '../../../../src/linux/files/own-files.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

test('a text is written with mode 0600 over the previous one, and read again', (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeOwnFile(file, 'a longer text');
  writeOwnFile(file, 'short');
  assert.deepEqual([readOwnFile(file), statSync(file).mode & 0o777], ['short', 0o600]);
  assert.throws(() => readOwnFile(`${file}-missing`), { code: 'ENOENT' });
});

test('a symbolic link is not followed, and its target is left unchanged', (t) => {
  const folder = temporaryFolder(t);
  const [target, link] = [join(folder, 'target'), join(folder, 'link')];
  writeFileSync(target, 'precious');
  symlinkSync(target, link);
  const message = `ELOOP: ${link} is a symbolic link, which zero does not follow. Remove it`;
  for (const act of [
    () => readOwnFile(link),
    () => writeOwnFile(link, 'x'),
    () => openOwnFile(link, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND),
  ])
    assert.throws(act, { code: 'ELOOP', message });
  assert.equal(readFileSync(target, 'utf8'), 'precious');
});

test('nothing is created below a directory that others may write to', (t) => {
  const folder = temporaryFolder(t);
  makeOwnDirectory(join(folder, 'a', 'b'), 0o711);
  assert.equal(statSync(join(folder, 'a', 'b')).mode & 0o777, 0o711);
  mkdirSync(join(folder, 'open'));
  chmodSync(join(folder, 'open'), 0o777);
  assert.throws(() => makeOwnDirectory(join(folder, 'open', 'c', 'd'), 0o755), UntrustedDirectoryError);
  assert.equal(existsSync(join(folder, 'open', 'c')), false);
});
