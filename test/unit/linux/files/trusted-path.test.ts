import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { distrust } from '../../../../src/linux/files/trusted-path.ts';
import { lookupGroup, lookupUser } from '../../../../src/linux/users.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const OWN = process.geteuid?.() ?? 0;
const OTHER = 54321;
const asRoot = { skip: OWN === 0 ? false : 'needs root: gives files to another user' };

/** `outer/inner` with these modes, in a directory of this user. */
function nested(t: TestContext, outer: number, inner = 0o755): { outer: string; inner: string } {
  const folder = temporaryFolder(t);
  const paths = { outer: join(folder, 'outer'), inner: join(folder, 'outer', 'inner') };
  mkdirSync(paths.inner, { recursive: true });
  chmodSync(paths.inner, inner);
  chmodSync(paths.outer, outer);
  return paths;
}

test('directories of this user and of root are trusted, also if they do not exist yet', (t) => {
  const { inner } = nested(t, 0o755);
  assert.equal(distrust(inner), null);
  assert.equal(distrust(join(inner, 'a', 'b')), null);
  assert.equal(distrust('/usr/bin'), null);
  assert.equal(distrust('/'), null);
});

test('a directory that others may write to is reported with its mode, anywhere on the path', (t) => {
  const on = nested(t, 0o777);
  assert.equal(distrust(on.inner), `${on.outer} is writable by other users (mode 777)`);
  assert.equal(distrust(join(on.outer, 'missing', 'x')), `${on.outer} is writable by other users (mode 777)`);
  const at = nested(t, 0o755, 0o702);
  assert.equal(distrust(at.inner), `${at.inner} is writable by other users (mode 702)`);
});

test('a sticky directory of root is accepted on the path, and at its end only on request', () => {
  assert.equal(distrust('/tmp/there-is-no-such-file/x'), null);
  assert.equal(distrust('/tmp', { sticky: 'anywhere' }), null);
  assert.match(distrust('/tmp') ?? '', /^\/tmp is writable by other users \(mode 1777\)$/);
  assert.match(distrust('/tmp/there-is-no-such-file', { sticky: 'nowhere' }) ?? '', /^\/tmp is writable/);
});

test('a sticky directory of an ordinary user is refused', asRoot, (t) => {
  const { outer, inner } = nested(t, 0o1777);
  assert.equal(distrust(inner), null);
  chownSync(outer, OTHER, OTHER);
  assert.equal(distrust(inner), `${outer} belongs to uid ${OTHER}, not to root or uid 0`);
  chownSync(inner, OTHER, OTHER);
  assert.equal(distrust(inner, { uid: OTHER }), `${outer} is writable by other users (mode 1777)`);
});

test('another owner is refused, and accepted if the path is checked for that user', asRoot, (t) => {
  const { inner } = nested(t, 0o755);
  chownSync(inner, OTHER, OTHER);
  assert.equal(distrust(inner), `${inner} belongs to uid ${OTHER}, not to root or uid 0`);
  assert.equal(distrust(inner, { uid: OTHER }), null);
});

test('a symbolic link is followed if the link, its directory and its target are trusted', asRoot, (t) => {
  const { outer, inner } = nested(t, 0o755);
  const link = join(temporaryFolder(t), 'link');
  symlinkSync(inner, link);
  assert.equal(distrust(link), null);
  assert.equal(distrust(join(link, 'x')), null);
  lchownSync(link, OTHER, OTHER);
  assert.equal(
    distrust(link),
    `${link} is a symbolic link that belongs to uid ${OTHER}, not to root or uid 0`,
  );
  lchownSync(link, 0, 0);
  chmodSync(outer, 0o777);
  assert.equal(distrust(link), `${outer} is writable by other users (mode 777)`);
});

test(
  'the group may write if it is root or has only this user; an access control list is not trusted',
  asRoot,
  (t) => {
    const { inner } = nested(t, 0o755, 0o775);
    assert.equal(distrust(inner), null);
    const shared = lookupGroup('nogroup') ?? lookupGroup('nobody');
    assert.ok(shared);
    chownSync(inner, 0, shared.gid);
    assert.equal(distrust(inner), `${inner} is writable by other users (mode 775)`);
    chownSync(inner, 0, 0);
    if (spawnSync('setfacl', ['-m', 'u:nobody:rwx', inner]).status === 0)
      assert.equal(distrust(inner), `${inner} is writable by other users (mode 775)`);
  },
);

test("the private group of a user, which has the user's name, may write", asRoot, (t) => {
  const daemon = lookupUser('daemon');
  if (daemon === null || lookupGroup(String(daemon.gid))?.name !== daemon.name) {
    t.skip('needs the user daemon with a group of its own');
    return;
  }
  const { inner } = nested(t, 0o755, 0o775);
  chownSync(inner, daemon.uid, daemon.gid);
  assert.equal(distrust(inner, { uid: daemon.uid }), null);
  const user = lookupUser('nobody');
  assert.ok(user);
  chownSync(inner, user.uid, daemon.gid);
  assert.equal(distrust(inner, { uid: user.uid }), `${inner} is writable by other users (mode 775)`);
});
