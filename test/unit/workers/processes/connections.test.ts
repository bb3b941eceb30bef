import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { useLibc } from '../../../../src/linux/libc.ts';
import { openPipe } from '../../../../src/linux/pipes.ts';
import type { InetAddress } from '../../../../src/linux/sock_diag.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import { type Processes, WorkerConnections } from '../../../../src/workers/processes/connections.ts';
import { ended, start, temporaryFolder } from '../../linux/support.ts';

const open = new Set<number>();
const keep = (fd: number) => {
  open.add(fd);
  return fd;
};
const close = (fd: number) => {
  open.delete(fd);
  closeFd(fd);
};
after(() => open.forEach(closeFd));
const folder = temporaryFolder();
const here: Processes = () => [process.pid];

function listen(backlog = 16): { fd: number; port: number; connect: () => number; accept: () => number } {
  const fd = keep(openSocket('inet', 'stream'));
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(fd, backlog);
  const { port } = localAddress(fd) as InetAddress;
  return {
    fd,
    port,
    connect: () => {
      const client = keep(openSocket('inet', 'stream'));
      connectSocket(client, { family: 'inet', host: '127.0.0.1', port });
      return client;
    },
    accept: () => keep(acceptSocket(fd)?.fd ?? -1),
  };
}

function tcp(...ports: number[]) {
  return () => ({ ports, names: [] });
}

/** A clock with which every walk takes `duration`. The test controls the time in between. */
function clock(duration: number) {
  let time = 0;
  let asked = 0;
  return {
    pass: (ms: number) => {
      time += ms;
    },
    now: () => {
      asked += 1;
      if (asked % 2 === 0) time += duration;
      return time;
    },
  };
}

/** A process that also holds these descriptors until `end`. */
function holder(...fds: number[]): { pid: number; end: () => Promise<unknown> } {
  const pipe = openPipe();
  const descriptors = new Map([[0, pipe.read], ...fds.map((fd, index) => [index + 5, fd] as const)]);
  const pid = start({ path: '/bin/cat', descriptors });
  closeFd(pipe.read);
  return {
    pid,
    end: () => {
      closeFd(pipe.write);
      return ended(pid);
    },
  };
}

test('accepted connections count, those of the queue, foreign ones and clients do not', async () => {
  const { port, connect, accept } = listen();
  const other = listen();
  const clients = [connect(), connect(), connect()];
  other.connect();
  other.accept();
  const accepted = [accept(), accept()];
  const reader = new WorkerConnections<string>(tcp(port));
  reader.follow(new Map([['here', here]]));
  assert.deepEqual(await reader.read(), new Map([['here', { open: 2, busy: 2 }]]));
  accepted.forEach(close);
  clients.forEach(close);
});

test('each connection belongs to the worker that holds it', async () => {
  const first = listen();
  const second = listen();
  for (let index = 0; index < 3; index += 1) first.connect();
  second.connect();
  const [mine, theirs, shared] = [first.accept(), first.accept(), second.accept()];
  const child = holder(theirs, shared);
  close(theirs);
  close(shared);
  const reader = new WorkerConnections<string>(tcp(first.port, second.port));
  reader.follow(
    new Map([
      ['here', here],
      ['child', () => [child.pid]],
      ['nobody', () => []],
    ]),
  );
  assert.deepEqual(
    await reader.read(),
    new Map([
      ['here', { open: 1, busy: 1 }],
      ['child', { open: 2, busy: 2 }],
      ['nobody', { open: 0, busy: 0 }],
    ]),
  );
  await child.end();
  close(mine);
});

test('nothing is read while no worker retires', async () => {
  const restore = useLibc({
    recv: () => {
      throw new Error('read');
    },
  });
  try {
    const reader = new WorkerConnections<string>(() => {
      throw new Error('asked');
    });
    assert.deepEqual(await reader.read(), new Map());
    reader.follow(new Map([['here', here]]));
    reader.follow(new Map());
    assert.deepEqual(await reader.read(), new Map());
  } finally {
    restore();
  }
});

test('while a busy connection stays busy, only that one is checked', async () => {
  const { port, connect, accept } = listen();
  connect();
  connect();
  const accepted = [accept(), accept()];
  let walks = 0;
  const time = clock(0);
  const reader = new WorkerConnections<string>(
    () => {
      walks += 1;
      return { ports: [port], names: [] };
    },
    undefined,
    time.now,
  );
  reader.follow(new Map([['here', here]]));
  const busy = async () => (await reader.read()).get('here')?.busy;
  assert.equal(await busy(), 2);
  close(accepted.pop() ?? -1);
  assert.equal(await busy(), 2);
  assert.equal(walks, 1);
  close(accepted.pop() ?? -1);
  assert.equal(await busy(), 0);
  assert.equal(walks, 2);
});

test('a connection after the last walk is found', async () => {
  const { port, connect, accept } = listen();
  connect();
  const first = accept();
  const time = clock(0);
  const reader = new WorkerConnections<string>(tcp(port), undefined, time.now);
  reader.follow(new Map([['here', here]]));
  await reader.read();
  connect();
  const second = accept();
  close(first);
  assert.deepEqual(await reader.read(), new Map([['here', { open: 1, busy: 1 }]]));
  close(second);
  assert.deepEqual(await reader.read(), new Map([['here', { open: 0, busy: 0 }]]));
});

test('without a busy connection no descriptors of processes are read', async () => {
  const { port } = listen();
  // Other programs may have connections at the same port of another address.
  const addresses = [{ family: 'inet', host: '127.0.0.1', port }] as const;
  const reader = new WorkerConnections<string>(() => ({ ports: [port], addresses, names: [] }));
  reader.follow(new Map([['here', () => assert.fail('asked for its processes')]]));
  assert.deepEqual(await reader.read(), new Map([['here', { open: 0, busy: 0 }]]));
});

test('a client whose own port is that of a listener is not a connection of the listener', async () => {
  const first = listen();
  const other = listen();
  const client = keep(openSocket('inet', 'stream'));
  bindSocket(client, { family: 'inet', host: '127.0.0.2', port: first.port });
  connectSocket(client, { family: 'inet', host: '127.0.0.1', port: other.port });
  const accepted = other.accept();
  const addresses = [{ family: 'inet', host: '127.0.0.1', port: first.port }] as const;
  const reader = new WorkerConnections<string>(() => ({ ports: [first.port], addresses, names: [] }));
  reader.follow(new Map([['here', here]]));
  assert.deepEqual(await reader.read(), new Map([['here', { open: 0, busy: 0 }]]));
  close(accepted);
  close(client);
});

test('long walks are rare, and an unknown number is not reported as zero', async () => {
  const { port, connect, accept } = listen();
  connect();
  const accepted = accept();
  const time = clock(10);
  const reader = new WorkerConnections<string>(tcp(port), undefined, time.now);
  reader.follow(new Map([['here', here]]));
  const count = async () => (await reader.read()).get('here');
  assert.deepEqual(await count(), { open: 1, busy: 1 });
  close(accepted);
  assert.deepEqual(await count(), { open: 1, busy: 1 });
  time.pass(40);
  assert.deepEqual(await count(), { open: 0, busy: 0 });
  assert.deepEqual(await count(), { open: 0, busy: 1 });
  time.pass(40);
  assert.deepEqual(await count(), { open: 0, busy: 0 });
});

test('a worker that retires later is checked from then on', async () => {
  const { port, connect, accept } = listen();
  connect();
  connect();
  const [mine, theirs] = [accept(), accept()];
  const child = holder(theirs);
  close(theirs);
  const reader = new WorkerConnections<string>(tcp(port), undefined, clock(1000).now);
  reader.follow(new Map([['here', here]]));
  assert.deepEqual(await reader.read(), new Map([['here', { open: 1, busy: 1 }]]));
  reader.follow(new Map([['child', () => [child.pid]]]));
  assert.deepEqual(await reader.read(), new Map([['child', { open: 1, busy: 1 }]]));
  await child.end();
  close(mine);
});

test('open Unix connections count as busy', async () => {
  const bound = join(folder, '.app.zero-0');
  const listener = keep(openSocket('unix', 'stream'));
  bindSocket(listener, { family: 'unix', path: bound });
  listenSocket(listener, 8);
  const clients = [1, 2, 3].map(() => {
    const fd = keep(openSocket('unix', 'stream'));
    connectSocket(fd, { family: 'unix', path: bound });
    return fd;
  });
  const accepted = [1, 2].map(() => keep(acceptSocket(listener)?.fd ?? -1));
  const places = () => ({ ports: [], names: [bound] });
  const reader = new WorkerConnections<string>(places, undefined, clock(0).now);
  reader.follow(new Map([['here', here]]));
  assert.deepEqual(await reader.read(), new Map([['here', { open: 2, busy: 2 }]]));
  accepted.forEach(close);
  assert.deepEqual(await reader.read(), new Map([['here', { open: 0, busy: 0 }]]));
  clients.forEach(close);
});

test('thousands of connections are read in slices, with other work between them', async (t) => {
  const { port, connect, accept } = listen(4096);
  const all = Array.from({ length: 2000 }, () => {
    connect();
    return accept();
  });
  let turns = 0;
  let next: NodeJS.Immediate;
  const others = () => {
    turns += 1;
    next = setImmediate(others);
  };
  others();
  t.after(() => clearImmediate(next));
  const reader = new WorkerConnections<string>(tcp(port));
  reader.follow(new Map([['here', here]]));
  assert.deepEqual(await reader.read(), new Map([['here', { open: all.length, busy: all.length }]]));
  // One receive call returns about 90 connections.
  assert.ok(turns >= 2000 / 100, String(turns));
});
