import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { processStat } from '../../../../src/linux/procfs.ts';
import type { LaunchRequest } from '../../../../src/workers/spawning/launcher.ts';
import { resolveRelease } from '../../../../src/workers/spawning/release.ts';
import { SpawnError, spawn, spawnWorker } from '../../../../src/workers/spawning/spawner.ts';
import { resolveUser } from '../../../../src/workers/spawning/target-user.ts';
import type { WorkerSpec } from '../../../../src/workers/spawning/worker-spec.ts';
import { ended, folder, listener, outputFile, runtimeConfig } from '../support.ts';

// Data that a process can read about itself: the inherited descriptors, its directory, its signals. The shell itself
// reads them, because it blocks all signals while it starts a command.
const DUMP = `
ls -l /proc/self/fd /proc/self/cwd
while read -r line; do case $line in Sig*|Uid*) echo "$line";; esac; done </proc/self/status
tr '\\0' '\\n' < /proc/$$/environ
tr '\\0' '\\n' < /proc/$$/cmdline
`;

chmodSync(folder, 0o755);

async function dump(changes: Partial<WorkerSpec>, args: string[] = []) {
  const runtime = runtimeConfig({
    path: '/bin/sh',
    args: ['-c', DUMP, ...args],
    environment: [{ key: 'PATH', value: '/usr/bin:/bin' }],
  });
  const user = changes.user ?? null;
  const stdout = outputFile();
  const stderr = outputFile();
  const { pid } = spawnWorker(linux, {
    generation: 5,
    worker: 1,
    runtime,
    release: resolveRelease(runtime, { user, base: [], startDirectory: '/' }),
    user,
    listeners: [],
    notifyPath: null,
    watchdog: null,
    shutdown: { signal: 'SIGTERM', timeout: 30_000 },
    readyFd: null,
    output: { stdout: stdout.fd, stderr: stderr.fd },
    ...changes,
  });
  const session = processStat(pid)?.session;
  const { status } = await ended(pid);
  assert.deepEqual(
    { status, stderr: stderr.read().toString() },
    { status: { kind: 'exited', code: 0 }, stderr: '' },
  );
  const text = stdout.read().toString();
  // ls has a descriptor of the directory that it lists.
  const links = [...text.matchAll(/ (\d+|\S+cwd) -> (.+)$/gm)].map(([, name, link]) => `${name} ${link}`);
  const fds = links.filter((link) => /^\d/.test(link) && !link.endsWith(`/fd`));
  return { pid, session, text, fds };
}

test('a worker gets exactly the descriptors, conventions and arguments of the specification', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  const ready = openSync(join(folder, 'ready'), 'w');
  const leaked = openSync('/dev/zero', 'r');
  try {
    const { fds, text, pid, session } = await dump(
      {
        listeners: [
          listener('http', 3, { family: 'inet', host: '127.0.0.1', port: address.port }, 'tcp', fd),
        ],
        readyFd: { target: 20, fd: ready },
        notifyPath: '/run/notify',
        watchdog: 1_500,
      },
      ['zero', '--fd=${fd.http}', '${worker}', '${other}'],
    );
    assert.equal(fds.length, 5);
    assert.equal(fds[0], '0 /dev/null');
    assert.match(fds[1] ?? '', /^1 .*output-/);
    assert.match(fds[2] ?? '', /^2 .*output-/);
    assert.match(fds.find((line) => line.startsWith('3 ')) ?? '', /^3 socket:/);
    assert.equal(
      fds.find((line) => line.startsWith('20 ')),
      `20 ${join(folder, 'ready')}`,
    );
    assert.equal(session, pid);
    assert.match(text, new RegExp(`cwd -> ${folder}$`, 'm'));
    assert.match(text, /^SigBlk:\t0+$/m);
    assert.match(text, /^SigIgn:\t0+$/m);
    for (const line of [
      'LISTEN_FDS=1',
      'LISTEN_FDNAMES=http',
      `LISTEN_PID=${pid}`,
      'WATCHDOG_USEC=1500000',
      `WATCHDOG_PID=${pid}`,
      `SERVER_STARTER_PORT=127.0.0.1:${address.port}=3`,
      'SERVER_STARTER_GENERATION=5',
      `EINHORN_MASTER_PID=${process.pid}`,
      'NOTIFY_SOCKET=/run/notify',
      `ZERO_LISTENERS=[{"name":"http","fd":3,"address":"127.0.0.1:${address.port}"}]`,
      'ZERO_WORKER=1',
      'ZERO_SHUTDOWN_SIGNAL=SIGTERM',
      'ZERO_SHUTDOWN_TIMEOUT_MS=30000',
      '--fd=3',
      '1',
      '${other}',
    ]) {
      assert.ok(text.split('\n').includes(line), line);
    }
  } finally {
    closeSync(leaked);
    closeSync(ready);
    server.close();
  }
});

test('a service without listeners gets no socket variables and starts without a shell', async () => {
  const { fds, text } = await dump({});
  assert.equal(fds.length, 3);
  assert.doesNotMatch(text, /^(LISTEN|SERVER_STARTER|EINHORN)_/m);
});

test('LISTEN_PID is correct for another user too', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, async () => {
  const user = resolveUser('nobody', undefined);
  const fd = openSync('/dev/zero', 'r');
  const { text, pid } = await dump({
    user,
    listeners: [listener('zero', 3, { family: 'unix', path: '/x' }, 'unix', fd)],
  });
  closeSync(fd);
  assert.match(text, new RegExp(`^LISTEN_PID=${pid}$`, 'm'));
  assert.match(text, new RegExp(`^Uid:(\\t${user?.uid}){4}$`, 'm'));
});

test('an error contains the program, the failed call and the solution', () => {
  const request: LaunchRequest = {
    executable: '/no/such',
    args: [],
    environment: new Map(),
    user: null,
    limits: {},
    umask: undefined,
    listenPid: false,
  };
  const nothing = { directory: '/', descriptors: new Map<number, number>() };
  assert.throws(
    () => spawn(linux, request, nothing),
    (error: unknown) =>
      error instanceof SpawnError &&
      error.code === 'ENOENT' &&
      /^start \/no\/such: posix_spawn .*ENOENT.*: it was removed/.test(error.message),
  );
  const executable = '/bin/true';
  const args = ['y'.repeat(3 << 20)];
  assert.throws(() => spawn(linux, { ...request, executable, args }, nothing), { code: 'E2BIG' });
  assert.throws(() => spawn(linux, { ...request, executable }, { ...nothing, directory: '/no/such' }), {
    message: /^start \/bin\/true: chdir \/no\/such: ENOENT/,
  });
});
