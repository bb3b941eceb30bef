import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  bindSocket,
  closeFd,
  connectSocket,
  listenSocket,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import { lookupGroup } from '../../../../src/linux/users.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import {
  acquire,
  connect,
  failOnce,
  intercept,
  listener,
  NODE_NAME,
  only,
  readAll,
  serve,
  startProgram,
  temporaryFolder,
} from '../fixture.ts';

const asRoot = { skip: process.geteuid?.() !== 0 };

test('an early stream client waits in the queue and is served', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  const app = only(await acquire(t, [listener('app', `unix:${path}`)]));
  assert.deepEqual([app.address, app.text], [{ family: 'unix', path }, path]);
  const client = await connect(t, { path });
  serve(t, app.fd, 'late but here');
  assert.equal(await readAll(client), 'late but here');
});

test('an early datagram waits in the queue', async (t) => {
  const path = join(temporaryFolder(t), 'log.sock');
  const log = only(await acquire(t, [listener('log', `unixgram:${path}`)]));
  assert.equal(passDatagram(t, log.fd, path), 'early');
});

test('abstract names of streams and datagrams are bound', async (t) => {
  const name = `@zero-listeners-${process.pid}`;
  const set = new ListenerSet();
  const app = only(await acquire(t, [listener('app', `unix:${name}`)], set));
  const log = only(await acquire(t, [listener('log', `unixgram:${name}.log`)], set));
  serve(t, app.fd, 'hello');
  assert.equal(await readAll(connectAbstract(t, name)), 'hello');
  assert.equal(passDatagram(t, log.fd, `${name}.log`), 'early');
});

test('a bound abstract name is refused with the name of its holder', async (t) => {
  const path = `@zero-listeners-taken-${process.pid}`;
  const holder = openSocket('unix', 'dgram');
  t.after(() => closeFd(holder));
  bindSocket(holder, { family: 'unix', path });
  await assert.rejects(new ListenerSet().acquire([listener('app', `unixgram:${path}`)]), {
    message: new RegExp(`^bind unixgram ${path}: EADDRINUSE: the name is held by pid ${process.pid} \\(`),
  });
});

test('the file has the configured mode with any umask', async (t) => {
  const folder = temporaryFolder(t);
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  for (const mode of [0o600, 0o660, 0o666, 0o777]) {
    for (const network of ['unix', 'unixgram']) {
      const path = join(folder, `${network}-${mode.toString(8)}`);
      await acquire(t, [listener('app', `${network}:${path}`, { mode })]);
      assert.equal(lstatSync(path).mode & 0o777, mode);
    }
  }
});

test('the file never has wider permissions than configured, not even between bind and chmod', async (t) => {
  const path = join(temporaryFolder(t), 'log.sock');
  const before = process.umask(0);
  t.after(() => process.umask(before));
  let atFirst = -1;
  intercept(t, 'bind', (real) => {
    const result = real();
    atFirst = lstatSync(path).mode & 0o777;
    return result;
  });
  await acquire(t, [listener('log', `unixgram:${path}`, { mode: 0o660 })]);
  assert.equal(atFirst, 0o600);
  assert.equal(lstatSync(path).mode & 0o777, 0o660);
});

test('the umask decides without a configured mode', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  const before = process.umask(0o027);
  t.after(() => process.umask(before));
  await acquire(t, [listener('app', `unix:${path}`)]);
  assert.equal(lstatSync(path).mode & 0o777, 0o750);
});

test('owner and group are set by name and by number', asRoot, async (t) => {
  const folder = temporaryFolder(t);
  const group = lookupGroup('nogroup') ?? lookupGroup('nobody');
  assert.ok(group);
  await acquire(t, [
    listener('app', `unix:${folder}/a`, { owner: 'nobody', group: group.name, mode: 0o660 }),
  ]);
  await acquire(t, [listener('app', `unix:${folder}/b`, { owner: '12345', group: '12346' })]);
  const [a, b] = ['a', 'b'].map((name) => lstatSync(join(folder, name)));
  assert.deepEqual([a?.gid, (a?.mode ?? 0) & 0o777], [group.gid, 0o660]);
  assert.deepEqual([b?.uid, b?.gid], [12345, 12346]);
});

test('an unknown user or group is refused, and no file remains', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  await assert.rejects(
    new ListenerSet().acquire([listener('app', `unix:${path}`, { owner: 'no-such-user' })]),
    {
      message: `owner of unix ${path}: user no-such-user does not exist`,
    },
  );
  await assert.rejects(
    new ListenerSet().acquire([listener('app', `unix:${path}`, { group: 'no-such-group' })]),
    {
      message: `group of unix ${path}: group no-such-group does not exist`,
    },
  );
  assert.equal(existsSync(path), false);
});

for (const type of ['stream', 'dgram'] as const) {
  test(`the ${type} socket of an exited owner is replaced`, async (t) => {
    const path = join(temporaryFolder(t), 'app.sock');
    leaveStale(path, type);
    const app = only(await acquire(t, [listener('app', `unix:${path}`)]));
    serve(t, app.fd, 'new');
    assert.equal(await readAll(await connect(t, { path })), 'new');
  });

  test(`a ${type} socket that a process holds is kept, listening or not`, async (t) => {
    const path = join(temporaryFolder(t), 'app.sock');
    const held = openSocket('unix', type);
    t.after(() => closeFd(held));
    bindSocket(held, { family: 'unix', path });
    const { ino } = lstatSync(path);
    for (const network of ['unix', 'unixgram']) {
      await assert.rejects(new ListenerSet().acquire([listener('app', `${network}:${path}`)]), {
        listener: 'app',
        message: new RegExp(`^bind ${network} ${path}: the path is held by pid ${process.pid} \\(`),
      });
    }
    assert.equal(lstatSync(path).ino, ino);
  });
}

test('a live listener is refused with the name of its owner, and gets no connection', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  const holder = await startProgram(t, listenOn(path));
  await assert.rejects(new ListenerSet().acquire([listener('app', `unix:${path}`)]), {
    message: `bind unix ${path}: the path is held by pid ${holder.pid} (${NODE_NAME})`,
  });
  // The program reports this connection as its first one.
  assert.equal(await readAll(await connect(t, { path })), 'connection 1');
});

test('a socket that cannot be checked is kept', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  leaveStale(path, 'stream');
  failOnce(t, 'connect', 'EACCES');
  await assert.rejects(new ListenerSet().acquire([listener('app', `unix:${path}`)]), {
    message: `bind unix ${path}: EACCES: cannot check or remove the existing socket. Remove it manually`,
  });
  assert.ok(existsSync(path));
});

test('a file that is not a socket is refused and never deleted', async (t) => {
  const folder = temporaryFolder(t);
  const stale = join(folder, 'stale');
  leaveStale(stale, 'stream');
  writeFileSync(join(folder, 'file'), 'precious');
  mkdirSync(join(folder, 'directory'));
  symlinkSync(stale, join(folder, 'link'));
  const kinds = { file: 'file that is not a socket', directory: 'directory', link: 'symbolic link' };
  for (const [name, kind] of Object.entries(kinds)) {
    const path = join(folder, name);
    await assert.rejects(new ListenerSet().acquire([listener('app', `unix:${path}`)]), {
      message: `bind unix ${path}: a ${kind} exists there. Remove it or choose another path`,
    });
    assert.ok(lstatSync(path));
  }
  assert.equal(readFileSync(join(folder, 'file'), 'utf8'), 'precious');
});

test('a missing directory, and a file in its place, are reported', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(new ListenerSet().acquire([listener('app', `unix:${folder}/gone/app.sock`)]), {
    message: `bind unix ${folder}/gone/app.sock: ENOENT: the directory ${folder}/gone does not exist. Create it (RuntimeDirectory= in a systemd unit)`,
  });
  await assert.rejects(new ListenerSet().acquire([listener('app', `unix:${folder}/file/app.sock`)]), {
    message: `bind unix ${folder}/file/app.sock: ENOTDIR: ${folder}/file is not a directory`,
  });
});

test('the last release removes the path if it is still the bound one', async (t) => {
  const folder = temporaryFolder(t);
  const set = new ListenerSet();
  const [mine, replaced, gone] = ['mine', 'replaced', 'gone'].map((name) => join(folder, name));
  assert.ok(mine && replaced && gone);
  const acquired = await set.acquire([mine, replaced, gone].map((path) => listener(path, `unix:${path}`)));
  unlinkSync(replaced);
  writeFileSync(replaced, 'of somebody else');
  unlinkSync(gone);
  acquired.release();
  assert.equal(existsSync(mine), false);
  assert.equal(readFileSync(replaced, 'utf8'), 'of somebody else');
});

test('mode and owner change on a reload, and are restored when it is rolled back', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  const set = new ListenerSet();
  await acquire(t, [listener('app', `unix:${path}`, { mode: 0o600 })], set);
  const reload = await set.acquire([listener('app', `unix:${path}`, { mode: 0o666 })]);
  assert.equal(lstatSync(path).mode & 0o777, 0o666);
  reload.release();
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
});

test('a path that another process has replaced does not get the mode', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock');
  const set = new ListenerSet();
  await acquire(t, [listener('app', `unix:${path}`, { mode: 0o600 })], set);
  unlinkSync(path);
  writeFileSync(path, '');
  chmodSync(path, 0o640);
  await acquire(t, [listener('app', `unix:${path}`, { mode: 0o666 })], set);
  assert.equal(lstatSync(path).mode & 0o777, 0o640);
});

function leaveStale(path: string, type: 'stream' | 'dgram'): void {
  const fd = openSocket('unix', type);
  bindSocket(fd, { family: 'unix', path });
  if (type === 'stream') listenSocket(fd, 1);
  closeFd(fd);
}

/** Node's own client pads an abstract name with NULs up to 108 bytes, which is another name (unix(7)). */
function connectAbstract(t: TestContext, path: string): Socket {
  const fd = openSocket('unix', 'stream');
  connectSocket(fd, { family: 'unix', path });
  const client = new Socket({ fd });
  t.after(() => client.destroy());
  return client;
}

/** A program that listens on a path, reports that, and counts its connections. */
function listenOn(path: string): string {
  return `let n = 0;
    require('net').createServer((c) => c.end('connection ' + ++n)).listen('${path}', () => console.log('ready'));`;
}

/** Unix datagrams are delivered within the send call (unix(7)). */
function passDatagram(t: TestContext, fd: number, path: string): string {
  const client = openSocket('unix', 'dgram');
  t.after(() => closeFd(client));
  connectSocket(client, { family: 'unix', path });
  writeSync(client, 'early');
  const bytes = Buffer.alloc(64);
  return bytes.toString('utf8', 0, readSync(fd, bytes));
}
