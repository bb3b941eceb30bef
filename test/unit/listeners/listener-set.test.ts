import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../../src/linux/errors.ts';
import type { SocketAddress } from '../../../src/linux/sockaddr.ts';
import {
  closeFd,
  connectSocket,
  duplicateAbove,
  getOption,
  inodeOf,
  openSocket,
  setBlocking,
} from '../../../src/linux/sockets.ts';
import type { Lookup } from '../../../src/listeners/binding/resolve.ts';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import { listenQueues } from '../../support/sockets.ts';
import { acquire, connect, listener, only, portOf, readAll, serve, temporaryFolder } from './fixture.ts';

/** A TCP port that is free at the moment. */
async function freePort(): Promise<number> {
  const acquired = await new ListenerSet().acquire([listener('free', '127.0.0.1:0')]);
  acquired.release();
  return portOf(only(acquired));
}

test('an unchanged address keeps its socket under a new name or number', async (t) => {
  const set = new ListenerSet();
  const address = `127.0.0.1:${await freePort()}`;
  const before = only(await acquire(t, [listener('http', address, { socket_fd: 3 })], set));
  const after = only(await acquire(t, [listener('web', address, { socket_fd: 8 })], set));
  assert.equal(after.fd, before.fd);
  assert.deepEqual([after.name, after.target], ['web', 8]);
  assert.deepEqual([before.name, before.target], ['http', 3]);
});

test('another spelling of the same address keeps the socket', async (t) => {
  const set = new ListenerSet();
  const port = await freePort();
  const before = only(await acquire(t, [listener('http', `127.0.0.1:${port}`)], set));
  const after = only(await acquire(t, [listener('http', `localhost:${port}`)], set));
  assert.equal(after.fd, before.fd);
});

test('port 0 keeps its socket only under the same name', async (t) => {
  const set = new ListenerSet();
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0')], set));
  const same = only(await acquire(t, [listener('http', '127.0.0.1:0')], set));
  const other = only(await acquire(t, [listener('admin', '127.0.0.1:0')], set));
  assert.equal(same.fd, http.fd);
  assert.notEqual(portOf(other), portOf(http));
});

test('the socket closes when its last generation is released', async () => {
  const set = new ListenerSet();
  const first = await set.acquire([listener('http', '127.0.0.1:0')]);
  const second = await set.acquire([listener('http', '127.0.0.1:0')]);
  const inode = inodeOf(only(first).fd);
  first.release();
  first.release();
  assert.equal(inodeOf(only(second).fd), inode);
  assert.equal(set.snapshot().length, 1);
  second.release();
  assert.deepEqual(set.snapshot(), []);
  assert.deepEqual(listenQueues(portOf(only(second))), []);
});

test('a reload adds and removes listeners', async (t) => {
  const set = new ListenerSet();
  const old = await set.acquire([listener('a', '127.0.0.1:0'), listener('b', '127.0.0.1:0')]);
  const young = await acquire(t, [listener('b', '127.0.0.1:0'), listener('c', '127.0.0.1:0')], set);
  assert.deepEqual(names(set), ['a', 'b', 'c']);
  old.release();
  assert.deepEqual(names(set), ['b', 'c']);
  assert.deepEqual(
    young.listeners.map(({ name }) => name),
    ['b', 'c'],
  );
});

test('a waiting client is served after the incumbent releases the socket', async (t) => {
  const set = new ListenerSet();
  const old = await set.acquire([listener('http', '127.0.0.1:0')]);
  const young = only(await acquire(t, [listener('http', '127.0.0.1:0')], set));
  const client = await connect(t, { host: '127.0.0.1', port: portOf(young) });
  old.release();
  serve(t, young.fd, 'hello');
  assert.equal(await readAll(client), 'hello');
});

test('a failed reload closes its new sockets and restores changed options', async (t) => {
  const set = new ListenerSet();
  const taken = only(await acquire(t, [listener('taken', '127.0.0.1:0')]));
  const folder = temporaryFolder(t);
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0', { backlog: 10 })], set));
  const reload = [
    listener('http', '127.0.0.1:0', { backlog: 20 }),
    listener('new', '127.0.0.1:0'),
    listener('app', `unix:${folder}/app.sock`),
    listener('clash', `127.0.0.1:${portOf(taken)}`),
  ];
  await assert.rejects(set.acquire(reload), { listener: 'clash', code: 'EADDRINUSE' });
  assert.deepEqual(names(set), ['http']);
  assert.equal(listenQueues(portOf(http))[0]?.wqueue, 10);
});

test('a change that fails midway is undone', async (t) => {
  const set = new ListenerSet();
  const path = `${temporaryFolder(t)}/app.sock`;
  const before = [listener('http', '127.0.0.1:0'), listener('app', `unix:${path}`)];
  const [http] = (await acquire(t, before, set)).listeners;
  assert.ok(http);
  const reload = [
    listener('http', '127.0.0.1:0', { backlog: 20, options: { defer_accept: 3 } }),
    listener('app', `unix:${path}`, { owner: 'no-such-user' }),
  ];
  await assert.rejects(set.acquire(reload), { listener: 'app' });
  assert.equal(getOption(http.fd, 'defer_accept'), 0);
  assert.equal(listenQueues(portOf(http))[0]?.wqueue, 4096);
});

test('options of a listening socket change on a reload, and are restored when it is rolled back', async (t) => {
  const set = new ListenerSet();
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0', { backlog: 10 })], set));
  const options = { receive_buffer: 65536, defer_accept: 3, fast_open: 16 };
  const candidate = await set.acquire([listener('http', '127.0.0.1:0', { backlog: 20, options })]);
  assert.equal(only(candidate).fd, http.fd);
  assert.equal(listenQueues(portOf(http))[0]?.wqueue, 20);
  assert.equal(getOption(http.fd, 'receive_buffer'), 2 * 65536);
  assert.equal(getOption(http.fd, 'fast_open'), 16);
  assert.ok(getOption(http.fd, 'defer_accept') >= 3);
  candidate.release();
  assert.equal(listenQueues(portOf(http))[0]?.wqueue, 10);
  assert.equal(getOption(http.fd, 'fast_open'), 0);
  assert.equal(getOption(http.fd, 'defer_accept'), 0);
});

for (const [option, options] of Object.entries({
  free_bind: { free_bind: true },
  transparent: { transparent: true },
  bind_to_device: { bind_to_device: 'lo' },
  ipv6_only: { ipv6_only: true },
})) {
  test(`${option} of a bound listener needs a restart`, async (t) => {
    const set = new ListenerSet();
    await acquire(t, [listener('http', '[::1]:0')], set);
    await assert.rejects(set.acquire([listener('http', '[::1]:0', { options })]), {
      listener: 'http',
      message: `tcp [::1]:0: cannot change ${option} of a bound listener: needs a restart`,
    });
  });
}

test('a buffer size of a bound listener cannot be reset', async (t) => {
  const set = new ListenerSet();
  await acquire(t, [listener('http', '127.0.0.1:0', { options: { send_buffer: 65536 } })], set);
  await assert.rejects(set.acquire([listener('http', '127.0.0.1:0')]), {
    message: 'tcp 127.0.0.1:0: cannot change send_buffer of a bound listener: needs a restart',
  });
});

test('two listeners of one config cannot have the same address', async () => {
  const port = await freePort();
  const set = new ListenerSet();
  const spec = [listener('a', `127.0.0.1:${port}`), listener('b', `localhost:${port}`)];
  await assert.rejects(set.acquire(spec), {
    listener: 'b',
    message: `bind tcp localhost:${port}: the same address as listener a (tcp 127.0.0.1:${port})`,
  });
  assert.deepEqual(set.snapshot(), []);
});

test('a socket in use stays open during a name lookup', async (t) => {
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const lookup: Lookup = async () => {
    await answered;
    return [{ address: '127.0.0.1', family: 4 }];
  };
  const set = new ListenerSet({ lookup });
  const old = await set.acquire([listener('http', '127.0.0.1:0')]);
  const pending = acquire(t, [listener('http', '127.0.0.1:0'), listener('b', 'b.test:0')], set);
  const inode = inodeOf(only(old).fd);
  old.release();
  answer();
  const young = await pending;
  assert.equal(inodeOf(only(old).fd), inode);
  assert.equal(young.listeners[0]?.fd, only(old).fd);
});

test('two concurrent acquisitions share their common sockets', async (t) => {
  const lookup: Lookup = async () => [{ address: '127.0.0.1', family: 4 }];
  const set = new ListenerSet({ lookup });
  const port = await freePort();
  const both = await Promise.all([1, 2].map(() => acquire(t, [listener('http', `a.test:${port}`)], set)));
  assert.equal(new Set(both.map((acquired) => only(acquired).fd)).size, 1);
});

test('a name that no longer resolves does not affect its bound listener', async (t) => {
  let answers = 1;
  const lookup: Lookup = async () => {
    answers -= 1;
    if (answers < 0) throw Object.assign(new Error('gone'), { code: 'ENOTFOUND' });
    return [{ address: '127.0.0.1', family: 4 }];
  };
  const set = new ListenerSet({ lookup });
  const before = only(await acquire(t, [listener('http', 'a.test:0')], set));
  assert.equal(only(await acquire(t, [listener('http', 'a.test:0')], set)).fd, before.fd);
});

test('relisten ignores released listeners', async () => {
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('http', '127.0.0.1:0')]);
  acquired.release();
  set.relisten(acquired);
});

test('the snapshot is plain data', async (t) => {
  const set = new ListenerSet();
  const path = `${temporaryFolder(t)}/app.sock`;
  const { listeners } = await acquire(
    t,
    [listener('http', '127.0.0.1:0'), listener('app', `unix:${path}`)],
    set,
  );
  const [http, app] = listeners;
  assert.ok(http && app);
  assert.deepEqual(JSON.parse(JSON.stringify(set.snapshot())), [
    {
      text: 'tcp:127.0.0.1:0',
      name: 'http',
      address: http.address,
      inode: inodeOf(http.fd),
      fd: http.fd,
      lanes: [],
      order: null,
      passedName: null,
    },
    {
      text: `unix:${path}`,
      name: 'app',
      address: app.address,
      inode: inodeOf(app.fd),
      fd: app.fd,
      lanes: [],
      order: null,
      passedName: null,
    },
  ]);
});

test('the set of listeners may be empty', async () => {
  const acquired = await new ListenerSet().acquire([]);
  assert.deepEqual(acquired.listeners, []);
  acquired.release();
});

function names(set: ListenerSet): string[] {
  return set.snapshot().map(({ name }) => name);
}

for (const [kind, addressIn, lanes, refusal] of [
  ['steered', () => '127.0.0.1:0', 2, 'ECONNREFUSED'],
  ['shared', () => '127.0.0.1:0', 0, 'ECONNREFUSED'],
  ['abstract Unix', (folder: string) => `unix:@${folder}`, 2, 'ECONNREFUSED'],
  ['Unix', (folder: string) => `unix:${folder}/sock`, 2, 'ENOENT'],
] as const) {
  test(`a released ${kind} listener refuses connections even if another process has its sockets`, async (t) => {
    const set = new ListenerSet();
    const acquired = await set.acquire([listener('http', addressIn(temporaryFolder(t)))], lanes);
    const { address } = only(acquired);
    for (const { fd } of set.kept()) {
      const kept = duplicateAbove(fd, 3);
      t.after(() => closeFd(kept));
    }
    assert.equal(refusalBy(address), null);
    acquired.release();
    assert.equal(refusalBy(address), refusal);
  });
}

/** The error of connect(2); null if it succeeds. */
function refusalBy(address: SocketAddress): string | null {
  const fd = openSocket(address.family, 'stream');
  try {
    setBlocking(fd, true);
    connectSocket(fd, address);
    return null;
  } catch (error) {
    return error instanceof SystemError ? error.code : String(error);
  } finally {
    closeFd(fd);
  }
}
