import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import type { NamedFault } from '../../../../src/listeners/listeners.ts';
import { connect, listener, only, readAll, serve, startProgram, temporaryFolder } from '../fixture.ts';
import { shutDown } from '../shutdown.ts';
import { keepOpen, to } from './lane-support.ts';

async function steered(t: TestContext, lanes = 3, settings = {}) {
  const folder = temporaryFolder(t);
  const path = `${folder}/app.sock`;
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('app', `unix:${path}`, { steer: true, ...settings })], lanes);
  t.after(() => acquired.release());
  return { set, acquired, app: only(acquired), path, folder };
}

type App = ReturnType<typeof only>;

/** The lane of a client that connects to the path. */
function laneOf(app: App, path: string, lanes: readonly number[]): number {
  const client = openSocket('unix', 'stream');
  try {
    connectSocket(client, { family: 'unix', path });
    return lanes.findIndex((lane) => {
      const accepted = acceptSocket(app.fdOf(lane));
      if (accepted !== null) closeFd(accepted.fd);
      return accepted !== null;
    });
  } finally {
    closeFd(client);
  }
}

test('each lane has two permanent names, and the steered one also the public name', async (t) => {
  const { set, app, path, folder } = await steered(t);
  assert.deepEqual(readdirSync(folder).sort(), [
    '.app.sock.0',
    '.app.sock.1',
    '.app.sock.2',
    '.app.sock.zero-0',
    '.app.sock.zero-1',
    '.app.sock.zero-2',
    'app.sock',
  ]);
  assert.equal(app.text, path);
  assert.equal(laneOf(app, path, [0, 1, 2]), 0);
  set.steer(to([2, 1]));
  assert.equal(laneOf(app, path, [0, 1, 2]), 2);
  set.steer(to([0]));
  set.steer(to([0]));
  assert.equal(laneOf(app, path, [0, 1, 2]), 0);
  assert.deepEqual(localAddress(app.fdOf(1)), { family: 'unix', path: `${folder}/.app.sock.zero-1` });
  assert.ok(!existsSync(`${folder}/.app.sock.new`), 'rename of two links of one file does nothing');
});

test('a Unix listener is shared unless the config says otherwise', async (t) => {
  const folder = temporaryFolder(t);
  const set = new ListenerSet();
  const acquired = await set.acquire([listener('app', `unix:${folder}/app.sock`)], 3);
  t.after(() => acquired.release());
  assert.equal(only(acquired).steered, false);
  assert.deepEqual(readdirSync(folder).sort(), ['.app.sock.0', 'app.sock']);
});

test('the last release removes every file', async (t) => {
  const { acquired, folder } = await steered(t);
  acquired.release();
  assert.deepEqual(readdirSync(folder), []);
});

test('a failed bind leaves no file', async (t) => {
  const folder = temporaryFolder(t);
  const config = listener('app', `unix:${folder}/app.sock`, { steer: true, owner: 'no-such-user' });
  await assert.rejects(new ListenerSet().acquire([config], 3), { listener: 'app' });
  assert.deepEqual(readdirSync(folder), []);
});

test('the public name has the mode, which changes with the config', async (t) => {
  const { set, path } = await steered(t, 2, { mode: 0o640 });
  assert.equal(lstatSync(path).mode & 0o777, 0o640);
  set.steer(to([1]));
  assert.equal(lstatSync(path).mode & 0o777, 0o640);
  await acquire2(t, set, path, { mode: 0o600 });
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
  set.steer(to([0]));
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
});

test('1,000 renames under constant connections cause no error', async (t) => {
  const { set, app, path } = await steered(t, 2);
  serve(t, app.fdOf(0), 'a');
  serve(t, app.fdOf(1), 'b');
  const clients = `
    const net = require('node:net');
    let count = 0, errors = 0, going = true, open = 3;
    const loop = () => {
      if (!going) {
        open -= 1;
        if (open === 0) { console.log(JSON.stringify({ count, errors })); process.exit(); }
        return;
      }
      const socket = net.connect(${JSON.stringify(path)});
      socket.on('error', (error) => { errors += 1; console.error(error); });
      socket.on('data', () => { count += 1; if (count === 100) console.log('going'); });
      socket.on('close', loop);
    };
    for (let client = 0; client < 3; client += 1) loop();
    process.on('SIGTERM', () => { going = false; });`;
  const { child } = await startProgram(t, clients);
  const report = new Promise<string>((resolve) =>
    child.stdout?.once('data', (data) => resolve(String(data))),
  );
  for (let round = 0; round < 1000; round += 1) {
    set.steer(to([round % 2 === 0 ? 1 : 0]));
    // The servers of this process run in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
  child.kill('SIGTERM');
  const { count, errors } = JSON.parse(await report);
  t.diagnostic(`${count} connections`);
  assert.equal(errors, 0);
  assert.ok(count >= 100);
});

for (const [title, take] of [
  ['removes', (path: string) => unlinkSync(path)],
  [
    'replaces',
    (path: string) => {
      unlinkSync(path);
      writeFileSync(path, 'mine');
    },
  ],
  ['renames', (path: string) => renameSync(path, `${path}.old`)],
] as const) {
  test(`a service ${title} the public name: zero restores it within 50 ms`, async (t) => {
    const durations: number[] = [];
    // Other load of the machine can delay any one of them, but not all.
    for (let round = 0; round < 5; round += 1) durations.push(await timeReturn(t, take));
    t.diagnostic(durations.map((duration) => `${duration.toFixed(1)} ms`).join(', '));
    assert.ok(Math.min(...durations) < 50, durations.join(' '));
  });
}

/** Milliseconds until the removed public name is restored and reported. */
async function timeReturn(t: TestContext, take: (path: string) => void): Promise<number> {
  const { set, app, path } = await steered(t);
  set.steer(to([1]));
  const reportedFaults = new Promise<readonly NamedFault[]>((resolve) => {
    const watch = set.watchFaults(resolve);
    t.after(() => watch.close());
  });
  const begin = performance.now();
  take(path);
  const faults = await reportedFaults;
  const duration = performance.now() - begin;
  assert.deepEqual(faults, [{ listener: 'app', lane: 1, kind: 'name_taken' }]);
  assert.equal(laneOf(app, path, [0, 1, 2]), 1);
  return duration;
}

test('the original name of a lane is restored for the next worker', async (t) => {
  const { set, app, folder } = await steered(t);
  unlinkSync(`${folder}/.app.sock.zero-1`);
  unlinkSync(`${folder}/.app.sock.2`);
  assert.deepEqual(set.laneFaults(), []);
  assert.equal(laneOf(app, `${folder}/.app.sock.zero-1`, [0, 1, 2]), 1);
  assert.equal(laneOf(app, `${folder}/.app.sock.2`, [0, 1, 2]), 2);
});

test('a service that binds the public name loses it and is reported', async (t) => {
  const { set, app, path } = await steered(t);
  const own = keepOpen(t, openSocket('unix', 'stream'));
  unlinkSync(path);
  bindSocket(own, { family: 'unix', path });
  listenSocket(own, 5);
  assert.deepEqual(set.laneFaults(), [{ listener: 'app', lane: 0, kind: 'name_taken' }]);
  assert.deepEqual(
    set.foreignSockets().map(({ listener, inode, holder }) => ({ listener, inode, pid: holder?.pid })),
    [{ listener: 'app', inode: inodeOf(own), pid: process.pid }],
  );
  assert.equal(laneOf(app, path, [0, 1, 2]), 0);
});

test('another socket replaces a lane after shutdown(2), because such a lane never listens again', async (t) => {
  const { set, app, path } = await steered(t);
  set.steer(to([1]));
  const before = app.fdOf(1);
  const reportedFaults = new Promise<readonly NamedFault[]>((resolve) => {
    const watch = set.watchFaults(resolve);
    t.after(() => watch.close());
  });
  shutDown(before);
  assert.deepEqual(await reportedFaults, [{ listener: 'app', lane: 1, kind: 'shut_down' }]);
  assert.equal(laneOf(app, path, [0, 1, 2]), 1);
});

test('probes reach their lane, and report their acceptance', async (t) => {
  const { set, acquired, app, path } = await steered(t);
  const probe = set.openProbe(acquired, 'app', 1);
  t.after(() => probe.close());
  assert.equal(probe.accepted(), 'waiting');
  assert.equal(probe.acceptedInode(), null);
  assert.equal(laneOf(app, path, [0, 2]), 0);
  const accepted = acceptSocket(app.fdOf(1));
  assert.ok(accepted);
  assert.equal(probe.accepted(), 'accepted');
  assert.equal(probe.acceptedInode(), inodeOf(accepted.fd));
  closeFd(accepted.fd);
  assert.equal(probe.acceptedInode(), null);
  assert.equal(probe.accepted(), 'accepted');
  const quick = set.openProbe(acquired, 'app', 1);
  t.after(() => quick.close());
  const second = acceptSocket(app.fdOf(1));
  assert.ok(second);
  closeFd(second.fd);
  assert.equal(quick.accepted(), 'accepted', 'closed before anybody looked');
});

test('files of a killed supervisor are replaced, sockets in use are kept', async (t) => {
  const folder = temporaryFolder(t);
  const path = `${folder}/app.sock`;
  const config = listener('app', `unix:${path}`, { steer: true });
  const fd = openSocket('unix', 'stream');
  bindSocket(fd, { family: 'unix', path: `${folder}/.app.sock.zero-0` });
  linkSync(`${folder}/.app.sock.zero-0`, `${folder}/.app.sock.0`);
  linkSync(`${folder}/.app.sock.zero-0`, path);
  listenSocket(fd, 5);
  await assert.rejects(new ListenerSet().acquire([config], 2), /the path is held by pid/);
  closeFd(fd);
  const acquired = await new ListenerSet().acquire([config], 2);
  t.after(() => acquired.release());
  assert.equal(laneOf(only(acquired), path, [0, 1]), 0);
});

test('all workers of a generation get its first lane, whichever lane is steered to', async (t) => {
  const { set, app, path } = await steered(t);
  const first = inodeOf(app.fdOf(1, 1));
  assert.equal(inodeOf(app.fdOf(2, 1)), first);
  set.steer(to([2]));
  await connect(t, { path });
  assert.deepEqual([set.queued(1), set.queued(2), set.queued(0), set.queues().get('app')], [1, 1, 0, 1]);
  // The connection waits in the shared socket, so no rescue is needed while one worker accepts.
  assert.deepEqual(
    [1, 2].map((lane) => set.unattended(lane, lane === 1)),
    [0, 0],
  );
  assert.deepEqual(
    [1, 2].map((lane) => set.unattended(lane, false)),
    [1, 0],
  );
  // A rescue worker for connections that another generation left in that lane.
  assert.equal(inodeOf(app.fdOf(2)), first);
  // A later lane of another generation is a different socket.
  assert.notEqual(inodeOf(app.fdOf(2, 2)), first);
});

test('a client that waits in a lane is served after another lane is published', async (t) => {
  const { set, app, path } = await steered(t);
  const client = await connect(t, { path });
  set.steer(to([1]));
  serve(t, app.fdOf(0), 'late');
  assert.equal(await readAll(client), 'late');
});

test('an abstract name and a path without room for suffixes are refused', async (t) => {
  const abstract = listener('app', 'unix:@zero-test', { steer: true });
  await assert.rejects(new ListenerSet().acquire([abstract], 2), {
    message: 'steer unix @zero-test: an abstract name cannot be moved to another socket',
  });
  const folder = temporaryFolder(t);
  const long = listener('app', `unix:${folder}/${'a'.repeat(104 - folder.length)}`, { steer: true });
  await assert.rejects(new ListenerSet().acquire([long], 2), /107 bytes/);
  assert.deepEqual(readdirSync(folder), []);
});

test('a directory that becomes read-only is reported, and the listener keeps working', {
  skip: process.geteuid?.() === 0,
}, async (t) => {
  const { set, folder, app, path } = await steered(t);
  assert.equal(laneOf(app, path, [0]), 0);
  chmodSync(folder, 0o500);
  try {
    assert.throws(() => set.steer(to([1])), /publish lane 1/);
    assert.equal(laneOf(app, path, [0]), 0);
  } finally {
    chmodSync(folder, 0o700);
  }
});

async function acquire2(t: TestContext, set: ListenerSet, path: string, settings: object) {
  const acquired = await set.acquire([listener('app', `unix:${path}`, { steer: true, ...settings })], 2);
  t.after(() => acquired.release());
  return acquired;
}

test('an additional lane is created on demand', async (t) => {
  const { set, app, path } = await steered(t, 1);
  app.fdOf(3);
  set.steer(to([3]));
  assert.equal(laneOf(app, path, [0, 1, 2, 3]), 3);
});
