import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bindSocketFile } from '../../../src/control/socket-file.ts';
import { boundFile, isFile, setAccess } from '../../../src/linux/bound-file.ts';
import { createDatagramSocket } from '../../../src/linux/datagrams.ts';
import { rawCall, useLibc } from '../../../src/linux/libc.ts';
import { bindSocket, closeFd, openSocket } from '../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { listener } from '../listeners/fixture.ts';

/** A directory that another user may write to, and in it a file and a socket of other users. */
function hostile(t: TestContext): { path: string; secret: string; socket: string; unchanged: () => void } {
  const folder = join(temporaryFolder(t), 'hostile');
  mkdirSync(folder);
  const [path, secret, socket] = ['app.sock', 'secret', 'other.sock'].map((name) => join(folder, name));
  assert.ok(path && secret && socket);
  writeFileSync(secret, 'secret', { mode: 0o600 });
  const fd = openSocket('unix', 'stream');
  t.after(() => closeFd(fd));
  bindSocket(fd, { family: 'unix', path: socket });
  chmodSync(socket, 0o600);
  chmodSync(folder, 0o777);
  const { uid, gid } = lstatSync(secret);
  const inodes = [secret, socket].map((name) => lstatSync(name).ino);
  const unchanged = (): void => {
    for (const name of [path, secret, socket]) {
      const found = lstatSync(name, { throwIfNoEntry: false });
      if (!found || !inodes.includes(found.ino)) continue;
      assert.deepEqual([found.mode & 0o777, found.uid, found.gid], [0o600, uid, gid], name);
    }
  };
  return { path, secret, socket, unchanged };
}

/** Runs `swap` right after the next bind(2), the earliest moment for a process that watches the directory. */
function afterBind(t: TestContext, swap: () => void): void {
  const restore = useLibc({
    bind: (...args) => {
      restore();
      const result = rawCall('bind', ...args);
      swap();
      return result;
    },
  });
  t.after(restore);
}

const REPLACED = /another process replaced .*app\.sock while the socket was bound/;

for (const victim of ['secret', 'socket'] as const) {
  const ways = {
    'renamed over it': (from: string, to: string) => renameSync(from, to),
    'linked in its place': (from: string, to: string) => {
      unlinkSync(to);
      linkSync(from, to);
    },
    'linked symbolically in its place': (from: string, to: string) => {
      unlinkSync(to);
      symlinkSync(from, to);
    },
  };
  for (const [how, swap] of Object.entries(ways)) {
    test(`a ${victim === 'socket' ? 'socket' : 'file'} ${how} keeps its owner and its mode`, async (t) => {
      const access = process.geteuid?.() === 0 ? { owner: '12345', group: '12346' } : {};
      const one = hostile(t);
      afterBind(t, () => swap(one[victim], one.path));
      const set = new ListenerSet();
      await assert.rejects(
        set.acquire([listener('app', `unix:${one.path}`, { mode: 0o666, ...access })]),
        REPLACED,
      );
      one.unchanged();
      const two = hostile(t);
      afterBind(t, () => swap(two[victim], two.path));
      assert.throws(() => bindSocketFile(two.path, 0o666, null), REPLACED);
      two.unchanged();
      const three = hostile(t);
      afterBind(t, () => swap(three[victim], three.path));
      assert.throws(() => createDatagramSocket(three.path, { mode: 0o666 }), REPLACED);
      three.unchanged();
    });
  }
}

test('a bind fails if the socket file disappears', (t) => {
  const { path } = hostile(t);
  afterBind(t, () => unlinkSync(path));
  assert.throws(() => createDatagramSocket(path), REPLACED);
  assert.equal(existsSync(path), false);
});

test('in a directory that others may write to, the mode is set on the socket itself', async (t) => {
  const { path } = hostile(t);
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('app', `unix:${path}`, { mode: 0o620 })]);
  assert.equal(lstatSync(path).mode & 0o777, 0o620);
  acquired.release();
});

test('another file in place of a bound socket is left unchanged', (t) => {
  const { path, secret } = hostile(t);
  const fd = openSocket('unix', 'stream');
  t.after(() => closeFd(fd));
  bindSocket(fd, { family: 'unix', path });
  const file = boundFile(fd, path);
  assert.equal(isFile(path, file), true);
  renameSync(secret, path);
  assert.equal(setAccess(path, file, { mode: 0o666 }), false);
  assert.deepEqual([lstatSync(path).mode & 0o777, readFileSync(path, 'utf8')], [0o600, 'secret']);
  unlinkSync(path);
  assert.equal(setAccess(path, file, { mode: 0o666 }), false);
});

test('the owner is set on exactly the bound file', { skip: process.geteuid?.() !== 0 }, (t) => {
  const { path } = hostile(t);
  const fd = openSocket('unix', 'stream');
  t.after(() => closeFd(fd));
  bindSocket(fd, { family: 'unix', path });
  assert.equal(setAccess(path, boundFile(fd, path), { mode: 0o640, uid: 12, gid: 34 }), true);
  const { mode, uid, gid } = lstatSync(path);
  assert.deepEqual([mode & 0o777, uid, gid], [0o640, 12, 34]);
  chownSync(path, 0, 0);
});
