import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openToEverybody, openToUser } from '../../../../src/linux/files/writable-path.ts';

interface Tree {
  readonly outer: string;
  readonly inner: string;
  readonly file: string;
}

/** outer/inner/file, with modes 755, 755 and 644. */
function tree(t: TestContext): Tree {
  const outer = realpathSync(mkdtempSync(join(tmpdir(), 'zero-writable-')));
  t.after(() => rmSync(outer, { recursive: true, force: true }));
  const inner = join(outer, 'inner');
  mkdirSync(inner);
  const file = join(inner, 'file');
  writeFileSync(file, '');
  for (const [path, mode] of [
    [outer, 0o755],
    [inner, 0o755],
    [file, 0o644],
  ] as const)
    chmodSync(path, mode);
  return { outer, inner, file };
}

const ownUid = process.geteuid?.() ?? 0;
const ownGid = process.getegid?.() ?? 0;
/** A user other than this one, in none of its groups. */
const OTHER = { uid: 54_321, gid: 54_321, groups: [] };

test('a path that only its owner may write to has no finding', (t) => {
  const { outer, file } = tree(t);
  assert.equal(openToEverybody(file), null);
  assert.equal(openToEverybody(outer), null);
  assert.equal(openToUser(file, OTHER), null);
  assert.equal(openToEverybody(join(file, 'below a file')), null);
  assert.equal(openToEverybody(join(outer, 'missing')), null);
  chmodSync(file, 0o664);
  assert.equal(openToEverybody(file), null);
});

test('the first component that every user may write to is found', (t) => {
  const { outer, inner, file } = tree(t);
  const others = { by: 'others', uid: ownUid } as const;
  chmodSync(file, 0o646);
  assert.deepEqual(openToEverybody(file), { ...others, path: file, kind: 'file', mode: 0o646 });
  assert.equal(openToUser(file, OTHER)?.by, 'others');
  chmodSync(inner, 0o757);
  assert.deepEqual(openToEverybody(file), { ...others, path: inner, kind: 'directory', mode: 0o757 });
  assert.equal(openToEverybody(inner)?.path, inner);
  chmodSync(outer, 0o777);
  assert.equal(openToEverybody(file)?.path, outer);
});

test('in a directory with the sticky bit an entry belongs to its owner', (t) => {
  const { inner, file } = tree(t);
  chmodSync(inner, 0o1777);
  assert.equal(openToEverybody(file), null);
  assert.equal(openToUser(file, OTHER), null);
  chmodSync(file, 0o666);
  assert.equal(openToEverybody(file)?.path, file);
});

test('directories behind a symbolic link are checked, and the mode of a link is ignored', (t) => {
  const { outer, inner, file } = tree(t);
  const other = tree(t);
  const link = join(other.outer, 'current');
  symlinkSync(inner, link);
  assert.equal(openToEverybody(join(link, 'file')), null);
  chmodSync(outer, 0o777);
  assert.equal(openToEverybody(join(link, 'file'))?.path, outer);
  chmodSync(outer, 0o755);
  // A user who may write to the directory of a link can replace the link.
  chmodSync(other.outer, 0o777);
  assert.equal(openToEverybody(join(link, 'file'))?.path, other.outer);
  assert.equal(openToEverybody(file), null);
});

test('a user can change its own files, and its own link in a directory with the sticky bit', (t) => {
  const { outer, inner, file } = tree(t);
  const isRoot = ownUid === 0;
  const owner = isRoot ? OTHER : { ...OTHER, uid: ownUid };
  if (isRoot) chownSync(file, OTHER.uid, OTHER.gid);
  if (!isRoot) return assert.equal(openToUser(file, owner)?.by, 'owner');
  assert.deepEqual(openToUser(file, owner), {
    path: file,
    kind: 'file',
    by: 'owner',
    uid: OTHER.uid,
    mode: 0o644,
  });
  chownSync(file, 0, 0);
  const link = join(outer, 'current');
  symlinkSync(inner, link);
  lchownSync(link, OTHER.uid, OTHER.gid);
  assert.equal(openToUser(join(link, 'file'), owner), null);
  chmodSync(outer, 0o1777);
  assert.deepEqual([openToUser(join(link, 'file'), owner)?.kind, openToEverybody(link)], ['link', null]);
});

test('a group with write permission is checked', (t) => {
  const { inner, file } = tree(t);
  const member = { ...OTHER, groups: [ownGid] };
  assert.equal(openToUser(file, member), null);
  chmodSync(file, 0o664);
  assert.deepEqual(openToUser(file, member)?.by, 'group');
  chmodSync(file, 0o646);
  // For a member of the group the permissions of others do not apply (path_resolution(7)).
  assert.equal(openToUser(file, member), null);
  chmodSync(inner, 0o775);
  assert.equal(openToUser(file, member)?.path, inner);
  assert.equal(openToUser(file, { uid: 0, gid: 0, groups: [] }), null);
});

test('files of other types are not checked', () => {
  assert.equal(openToEverybody('/dev/null'), null);
  assert.equal(openToEverybody('/proc/self/fd/0/x'), null);
});
