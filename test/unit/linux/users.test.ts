import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { lookupGroup, lookupUser, mayExecute, maySearch } from '../../../src/linux/users.ts';
import { temporaryFolder } from './support.ts';

test('users are found by name and by number', () => {
  const root = lookupUser('root');
  assert.equal(root?.uid, 0);
  assert.equal(root.gid, 0);
  assert.equal(root.home, '/root');
  assert.ok(root.shell.startsWith('/'));
  assert.ok(root.groups.includes(0));
  assert.deepEqual(lookupUser('0'), root);
  assert.equal(lookupUser('no-such-user'), null);
  assert.equal(lookupUser('4123456789'), null);
  assert.equal(lookupUser('99999999999'), null);
  assert.equal(lookupUser(''), null);
});

test('this user is found with every group', () => {
  const { username, uid, gid, homedir, shell } = userInfo();
  const user = lookupUser(username);
  assert.ok(user);
  const groups = execFileSync('id', ['-G', username]).toString().trim().split(' ').map(Number);
  assert.deepEqual(new Set(user.groups), new Set(groups));
  assert.deepEqual(
    { ...user, groups: [] },
    { name: username, uid, gid, home: homedir, shell: shell ?? '', groups: [] },
  );
});

test('groups are found by name and by number', () => {
  assert.deepEqual(lookupGroup('root'), { name: 'root', gid: 0 });
  assert.deepEqual(lookupGroup('0'), { name: 'root', gid: 0 });
  assert.equal(lookupGroup('no-such-group'), null);
});

test('a large entry gets a larger buffer, and an unreadable database is an error', () => {
  const sizes: number[] = [];
  const restore = useLibc({
    getpwnam_r: (_name, _entry, _buffer, size) => {
      sizes.push(size);
      return errnoNumber(size < 10_000 ? 'ERANGE' : 'EIO');
    },
  });
  assert.throws(() => lookupUser('x'), { code: 'EIO', syscall: 'getpwnam_r' });
  assert.deepEqual(sizes, [1024, 4096, 16384]);
  restore();
});

const folder = temporaryFolder();
chmodSync(folder, 0o755);
const other = { uid: 54321, gid: 54321, groups: [54321] };
const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, groups: [] };
const member = { uid: 54321, gid: 54321, groups: [own.gid] };
const file = (name: string, mode: number) => {
  const path = join(folder, name);
  writeFileSync(path, '#!/bin/sh\n', { mode });
  chmodSync(path, mode);
  return path;
};

test('the first matching permission class decides', () => {
  const cases: [number, boolean, boolean, boolean][] = [
    [0o755, true, true, true],
    [0o700, true, false, false],
    [0o710, true, true, false],
    [0o701, true, false, true],
    [0o071, own.uid === 0, true, true],
    [0o644, false, false, false],
  ];
  for (const [mode, ownerMay, memberMay, otherMay] of cases) {
    const path = file(`program-${mode.toString(8)}`, mode);
    assert.equal(mayExecute(path, own) === null, ownerMay, `owner ${mode.toString(8)}`);
    assert.equal(mayExecute(path, member) === null, memberMay, `member ${mode.toString(8)}`);
    assert.equal(mayExecute(path, other) === null, otherMay, `other ${mode.toString(8)}`);
  }
});

test('without a user the permission of this process is checked', () => {
  assert.equal(mayExecute('/bin/sh', null), null);
  assert.equal(
    mayExecute(file('mine', 0o644), null),
    `EACCES: no execute permission on ${join(folder, 'mine')}`,
  );
});

test('every directory on the path is checked, links included', () => {
  mkdirSync(join(folder, 'closed', 'inner'), { recursive: true });
  writeFileSync(join(folder, 'closed', 'inner', 'program'), '', { mode: 0o755 });
  chmodSync(join(folder, 'closed', 'inner', 'program'), 0o755);
  symlinkSync('closed/inner', join(folder, 'way'));
  symlinkSync(`${folder}/way/../inner/program`, join(folder, 'link'));
  assert.equal(mayExecute(join(folder, 'link'), other), null);
  assert.equal(mayExecute(`${folder}/way/../inner/./program`, other), null);
  chmodSync(join(folder, 'closed'), 0o700);
  const reason = `EACCES: no search permission on directory ${join(folder, 'closed')}`;
  assert.equal(mayExecute(join(folder, 'link'), other), reason);
  assert.equal(mayExecute(join(folder, 'closed', 'inner', 'program'), other), reason);
  assert.equal(mayExecute(join(folder, 'link'), own), null);
});

test('a missing file and a file that is not executable are reported', () => {
  symlinkSync('loop', join(folder, 'loop'));
  const path = file('plain', 0o755);
  assert.equal(mayExecute('/no/such', other), 'ENOENT: no such file: /no');
  assert.equal(mayExecute(folder, other), `EISDIR: is a directory: ${folder}`);
  assert.equal(mayExecute('/dev/null', other), 'EACCES: not a regular file: /dev/null');
  assert.match(mayExecute(join(folder, 'loop'), other) ?? '', /^ELOOP/);
  assert.equal(mayExecute(`${path}/x`, other), `ENOTDIR: not a directory: ${path}`);
});

test('the search permission of a directory is checked', () => {
  const directory = join(folder, 'searched');
  mkdirSync(directory, { mode: 0o750 });
  chmodSync(directory, 0o750);
  assert.equal(maySearch(directory, null), null);
  assert.equal(maySearch(directory, member), null);
  assert.equal(maySearch(directory, other), `EACCES: no search permission on directory ${directory}`);
  for (const user of [null, other])
    assert.equal(maySearch('/dev/null', user), 'ENOTDIR: not a directory: /dev/null');
  assert.equal(maySearch('/no/such', null), 'ENOENT: no such file: /no');
});

test('a file that is not executable is reported for this process too', () => {
  assert.equal(mayExecute(folder, null), `EISDIR: is a directory: ${folder}`);
  assert.equal(mayExecute('/dev/null', null), 'EACCES: not a regular file: /dev/null');
});

test("the group of another user's file may execute it", { skip: own.uid !== 0 }, () => {
  const path = file('theirs', 0o500);
  chownSync(path, other.uid, 0);
  assert.equal(mayExecute(path, other), null);
  assert.match(mayExecute(path, { ...other, uid: 54322 }) ?? '', /^EACCES/);
});
