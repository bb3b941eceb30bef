import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { errnoNumber, SystemError } from '../../../../src/linux/errors.ts';
import { linux } from '../../../../src/linux/kernel.ts';
import { type ProcessIdentity, processStat } from '../../../../src/linux/procfs.ts';
import { descriptorsOf, socketInode } from '../../../../src/linux/socket-holder.ts';
import { bindSocket, closeFd, inodeOf, listenSocket, openSocket } from '../../../../src/linux/sockets.ts';
import { findKeepers } from '../../../../src/supervisor/keeper/find-keepers.ts';
import {
  FIFO,
  FIRST_SOCKET_FD,
  isKeeper,
  VAULT_FD,
} from '../../../../src/supervisor/keeper/keeper-script.ts';
import { keeperSystem } from '../../../../src/supervisor/keeper/keeper-system.ts';
import {
  endKeeper,
  SocketKeeper,
  type SocketKeeperOptions,
} from '../../../../src/supervisor/keeper/socket-keeper.ts';
import { TakenSockets, takeKept } from '../../../../src/supervisor/keeper/take-sockets.ts';
import { isVaultLink, VaultFile } from '../../../../src/supervisor/keeper/vault.ts';
import { ProcessTable } from '../../../../src/workers/processes/process-table.ts';
import { sendSignal } from '../../../support/send-signal.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const table = new ProcessTable(linux);
// A signal handler alone does not keep the event loop alive.
const alive = setInterval(() => {}, 1 << 30);
table.start();
after(() => {
  table.close();
  clearInterval(alive);
});

function listening(t: TestContext): number {
  const fd = openSocket('inet', 'stream');
  t.after(() => closeFd(fd));
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(fd, 16);
  return fd;
}

/** A keeper of these sockets, and its reports. */
function keeperOf(t: TestContext, sockets: number[], options: Partial<SocketKeeperOptions> = {}) {
  const runtimeDirectory = temporaryFolder(t);
  const vault = VaultFile.create(linux);
  vault.writeState('the state', 1);
  const answers: string[] = [];
  let answered = () => {};
  const note = (answer: string) => {
    answers.push(answer);
    answered();
  };
  const keeper = new SocketKeeper({
    kernel: linux,
    table,
    runtimeDirectory,
    environment: [],
    command: () => ['/bin/true'],
    restart: () => false,
    tries: () => 0,
    vault: () => vault.fd,
    sockets: () => sockets,
    done: (version) => note(`done ${version}`),
    failed: (version, error) => note(`failed ${version}: ${String(error)}`),
    lost: (version, _, exit) => note(`lost ${version}: ${exit.kind}`),
    warn: (message) => assert.fail(message),
    ...options,
  });
  t.after(async () => {
    await keeper.end();
    vault.close();
  });
  const keptIn = options.runtimeDirectory ?? runtimeDirectory;
  const next = async () => {
    if (answers.length === 0) await new Promise<void>((resolve) => (answered = resolve));
    return answers.shift();
  };
  const kept = async (version: number): Promise<ProcessIdentity> => {
    keeper.keep(version);
    assert.equal(await next(), `done ${version}`);
    assert.ok(keeper.identity);
    const { pid } = keeper.identity;
    // posix_spawn(3) returns a moment before the new program has its arguments.
    while (!isKeeper(linux.argumentsOf(pid), keptIn)) await new Promise((resolve) => setImmediate(resolve));
    return keeper.identity;
  };
  return { keeper, runtimeDirectory, vault, next, kept };
}

/** The inodes of its sockets, in ascending order. */
const socketsOf = (pid: number) =>
  descriptorsOf(pid)
    .flatMap(({ fd, link }) => (fd >= FIRST_SOCKET_FD ? (socketInode(link) ?? []) : []))
    .sort();

const isGone = ({ pid, startTime }: ProcessIdentity) => {
  const stat = processStat(pid);
  return stat === null || stat.startTime !== startTime || stat.state === 'Z';
};

test('the keeper holds the sockets and the vault, and its name is zero-keeper', async (t) => {
  const sockets = [listening(t), listening(t)];
  const { kept, keeper, runtimeDirectory } = keeperOf(t, sockets);
  const { pid } = await kept(1);
  assert.equal(processStat(pid)?.comm, 'zero-keeper');
  assert.deepEqual(socketsOf(pid), sockets.map(inodeOf).sort());
  assert.equal(keeper.sockets, 2);
  const links = new Map(descriptorsOf(pid).map(({ fd, link }) => [fd, link]));
  assert.deepEqual([...links.keys()].sort((a, b) => a - b).slice(0, 4), [0, 1, 2, 3]);
  assert.ok(isVaultLink(links.get(VAULT_FD) ?? null));
  assert.ok(links.has(FIRST_SOCKET_FD + 1));
  assert.deepEqual(findKeepers(runtimeDirectory, keeperSystem).keepers, [keeper.identity]);
});

test('no socket needs a second descriptor for the start of the keeper', async (t) => {
  const sockets = Array.from({ length: 20 }, () => listening(t));
  const lower: number[] = [];
  const kernel: typeof linux = {
    ...linux,
    spawn: (request) => {
      for (const [target, source] of request.descriptors)
        if (target >= FIRST_SOCKET_FD && source < target) lower.push(source);
      return linux.spawn(request);
    },
  };
  const { kept } = keeperOf(t, sockets.toReversed(), { kernel });
  const { pid } = await kept(1);
  assert.deepEqual(socketsOf(pid), sockets.map(inodeOf).sort());
  assert.deepEqual(lower, []);
});

test('the keeper is replaced by one with the current sockets, before the old one ends', async (t) => {
  const sockets = [listening(t)];
  const { kept } = keeperOf(t, sockets);
  const first = await kept(1);
  sockets.push(listening(t));
  const second = await kept(2);
  assert.notEqual(second.pid, first.pid);
  assert.deepEqual(socketsOf(second.pid), sockets.map(inodeOf).sort());
  await new Promise((resolve) => setImmediate(resolve));
  while (!isGone(first)) await new Promise((resolve) => setImmediate(resolve));
});

test('several requests in one turn start one keeper', async (t) => {
  const { keeper, next, kept } = keeperOf(t, [listening(t)]);
  keeper.keep(1);
  keeper.keep(2);
  assert.equal(await next(), 'done 2');
  await kept(3);
});

test('a killed keeper is reported', async (t) => {
  const { keeper, next, kept } = keeperOf(t, [listening(t)]);
  const { pid } = await kept(1);
  sendSignal(pid, 'SIGKILL');
  assert.equal(await next(), 'lost 1: signaled');
  assert.equal(keeper.identity, null);
  await kept(1);
});

test('the keeper ends with its files', async (t) => {
  const { keeper, kept, runtimeDirectory } = keeperOf(t, [listening(t)]);
  const identity = await kept(1);
  assert.ok(existsSync(join(runtimeDirectory, FIFO)));
  await keeper.end();
  assert.ok(isGone(identity));
  assert.deepEqual(readdirSync(runtimeDirectory), []);
  keeper.keep(2);
  assert.equal(keeper.identity, null);
});

test('a deleted runtime directory does not prevent the start of a later keeper', async (t) => {
  const { kept, runtimeDirectory } = keeperOf(t, [listening(t)]);
  await kept(1);
  rmSync(runtimeDirectory, { recursive: true });
  const { pid } = await kept(2);
  assert.equal(processStat(pid)?.comm, 'sh');
});

test('a keeper that cannot be started is reported with the reason', async (t) => {
  const runtimeDirectory = join(temporaryFolder(t), 'missing');
  const { keeper, next } = keeperOf(t, [listening(t)], { runtimeDirectory });
  keeper.keep(1);
  assert.match((await next()) ?? '', /^failed 1: .*ENOENT/);
  mkdirSync(runtimeDirectory);
  symlinkSync('/no/such/shell', join(runtimeDirectory, 'zero-keeper'));
  keeper.keep(1);
  assert.equal(await next(), 'done 1');
});

test('previous keepers end after a new one runs', async (t) => {
  const sockets = [listening(t)];
  const { kept, runtimeDirectory } = keeperOf(t, sockets);
  const old = await kept(1);
  const { keeper, next } = keeperOf(t, sockets, { runtimeDirectory });
  const other: ProcessIdentity = { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? 0 };
  keeper.adoptPrevious([
    { ...old, orders: null },
    { ...other, orders: null },
  ]);
  assert.ok(!isGone(old));
  keeper.keep(1);
  assert.equal(await next(), 'done 1');
  while (!isGone(old)) await new Promise((resolve) => setImmediate(resolve));
});

test('the sockets are recovered with the permission to trace the keeper', async (t) => {
  const sockets = [listening(t), listening(t)];
  const { kept, runtimeDirectory } = keeperOf(t, sockets);
  const identity = await kept(1);
  const { taken, keepers } = await takeKept(
    { inherited: [], stored: [], keepers: [identity] },
    runtimeDirectory,
    keeperSystem,
  );
  t.after(() => taken.close());
  assert.deepEqual(keepers, [{ ...identity, orders: null }]);
  assert.deepEqual(taken.from, ['keeper']);
  assertTaken(taken, sockets);
  taken.closeUnused(new Set([inodeOf(sockets[1] ?? 0)]));
  assert.deepEqual([...taken.byInode.keys()], [inodeOf(sockets[1] ?? 0)]);
});

test('the sockets are recovered without that permission, and the keeper continues', async (t) => {
  // More than one datagram can hold.
  const sockets = Array.from({ length: 300 }, () => listening(t));
  const { kept, runtimeDirectory } = keeperOf(t, sockets);
  const identity = await kept(1);
  const { taken, keepers } = await takeKept(
    { inherited: [], stored: [], keepers: [identity] },
    runtimeDirectory,
    restricted,
  );
  t.after(() => {
    taken.close();
    for (const { orders } of keepers) if (orders !== null) closeFd(orders);
  });
  assert.deepEqual(taken.from, ['sender']);
  assertTaken(taken, sockets);
  assert.equal(typeof keepers[0]?.orders, 'number');
  assert.ok(!isGone(identity));
  assert.deepEqual(readdirSync(runtimeDirectory).sort(), [FIFO, 'zero-keeper']);
});

test('a keeper that exits during the recovery does not affect recovered sockets', async (t) => {
  const sockets = [listening(t)];
  const { kept, runtimeDirectory } = keeperOf(t, sockets);
  const identity = await kept(1);
  endKeeper(linux, identity, runtimeDirectory);
  while (!isGone(identity)) await new Promise((resolve) => setImmediate(resolve));
  const { taken } = await takeKept(
    { inherited: [], stored: [], keepers: [identity] },
    runtimeDirectory,
    keeperSystem,
  );
  assert.deepEqual([...taken.byInode], []);
  assert.equal(taken.vault, null);
});

test('the sockets of workers are recovered from them, and only the requested ones', async (t) => {
  const sockets = [listening(t), listening(t)];
  const { kept } = keeperOf(t, sockets);
  const worker = await kept(1);
  const taken = new TakenSockets(keeperSystem);
  t.after(() => taken.close());
  const wanted = inodeOf(sockets[1] ?? 0);
  assert.ok(taken.takeFrom(worker, 'workers', new Set([wanted])));
  assert.deepEqual([...taken.byInode.keys()], [wanted]);
  assert.equal(taken.vault, null);
  assert.ok(!new TakenSockets(restricted).takeFrom(worker, 'workers', new Set([wanted])));
});

test('a socket is not reported as lost if no descriptor is free', async (t) => {
  const sockets = [listening(t)];
  const { kept } = keeperOf(t, sockets);
  const worker = await kept(1);
  const full = {
    ...keeperSystem,
    pidfdGetfd: () => {
      throw new SystemError('pidfd_getfd', errnoNumber('EMFILE'));
    },
  };
  const wanted = new Set([inodeOf(sockets[0] ?? 0)]);
  assert.throws(() => new TakenSockets(full).takeFrom(worker, 'workers', wanted), { code: 'EMFILE' });
});

/** A system in which no user may trace another process. */
const restricted = {
  ...keeperSystem,
  pidfdGetfd: () => {
    throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
  },
};

function assertTaken(taken: TakenSockets, sockets: readonly number[]): void {
  assert.deepEqual([...taken.byInode.keys()].sort(), sockets.map(inodeOf).sort());
  for (const [inode, fd] of taken.byInode) {
    assert.equal(inodeOf(fd), inode);
    assert.ok(!sockets.includes(fd));
  }
  assert.ok(taken.vault !== null);
  assert.equal(VaultFile.resume(taken.vault, linux).read().state?.text, 'the state');
}
