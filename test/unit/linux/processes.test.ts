import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signalName, signalNumber } from '../../../src/common/signals.ts';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import {
  becomeSubreaper,
  pidfdGetfd,
  pidfdOpen,
  pidfdSignal,
  reapOne,
  startSession,
} from '../../../src/linux/processes.ts';
import { processStat } from '../../../src/linux/procfs.ts';
import { descriptorsOf } from '../../../src/linux/socket-holder.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { sessionMembers } from '../../support/processes.ts';
import { ended, readAll, readable, start, startShell } from './support.ts';

/** An idle process. It ends when it is killed or when the returned descriptor is closed. */
function puppet() {
  const pipe = openPipe();
  const pid = start({ path: '/bin/cat', descriptors: new Map([[0, pipe.read]]) });
  closeFd(pipe.read);
  return { pid, release: () => closeFd(pipe.write) };
}

test('no child is reaped if none has exited', () => {
  assert.equal(reapOne(), null);
});

test('exit codes and signals are reported', async () => {
  assert.deepEqual(await ended(startShell('exit 0')), { kind: 'exited', code: 0 });
  assert.deepEqual(await ended(startShell('exit 255')), { kind: 'exited', code: 255 });
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGHUP']) {
    const status = await ended(startShell(`kill -${signalNumber(signal)} $$`));
    assert.deepEqual(status, { kind: 'signaled', signal, coreDumped: false });
  }
});

test('a running child is not reaped, and its usage is reported with its exit', async () => {
  const { pid, release } = puppet();
  assert.equal(reapOne(), null);
  const pidfd = pidfdOpen(pid);
  release();
  await readable(pidfd);
  const reaped = reapOne();
  closeFd(pidfd);
  assert.equal(reaped?.pid, pid);
  assert.ok(reaped.usage.maxrss > 100 && reaped.usage.maxrss < 1e6);
  assert.ok(reaped.usage.minflt > 0);
  assert.ok(reaped.usage.utime + reaped.usage.stime < 10);
  assert.ok(reaped.usage.nvcsw > 0);
  assert.throws(() => pidfdOpen(pid), { code: 'ESRCH', message: new RegExp(`process ${pid}`) });
});

test('a signal is sent through a pidfd', async () => {
  const { pid, release } = puppet();
  const pidfd = pidfdOpen(pid);
  assert.equal(pidfdSignal(pidfd, 'USR2'), true);
  assert.deepEqual(await ended(pid), { kind: 'signaled', signal: 'SIGUSR2', coreDumped: false });
  assert.equal(pidfdSignal(pidfd, 'USR2'), false);
  closeFd(pidfd);
  release();
});

test('a descriptor of another process is duplicated', async () => {
  const { pid, release } = puppet();
  const pidfd = pidfdOpen(pid);
  const taken = pidfdGetfd(pidfd, 0);
  const link = descriptorsOf(pid).find(({ fd }) => fd === 0)?.link;
  assert.equal(descriptorsOf('self').find(({ fd }) => fd === taken)?.link, link);
  assert.throws(() => pidfdGetfd(pidfd, 99), { code: 'EBADF', message: /descriptor 99 of another process/ });
  closeFd(taken);
  release();
  await ended(pid);
  assert.throws(() => pidfdGetfd(pidfd, 0), { code: 'ESRCH' });
  assert.deepEqual(descriptorsOf(pid), []);
  closeFd(pidfd);
});

test('a process can start its own session once', () => {
  const restore = useLibc({ setsid: () => 4711 });
  assert.equal(startSession(), true);
  restore();
  const refuse = useLibc({ setsid: () => -1, errno: () => errnoNumber('EPERM') });
  assert.equal(startSession(), false);
  refuse();
});

test('signals have their names', () => {
  assert.equal(signalNumber('TERM'), 15);
  assert.equal(signalNumber('SIGRTMIN+2'), 36);
  assert.equal(signalNumber('RTMAX-1'), 63);
  assert.equal(signalName(6), 'SIGABRT');
  assert.equal(signalName(32), 'SIG32');
  for (const name of ['SIGNONE', 'usr1', 'SIGRTMIN+31', '', '9'])
    assert.throws(() => signalNumber(name), RangeError, name);
});

test('the subreaper becomes the parent of orphans', async () => {
  becomeSubreaper();
  const hold = openPipe();
  const out = openPipe();
  const descriptors = new Map([
    [1, out.write],
    [2, 2],
    [4, hold.read],
  ]);
  const pid = startShell('cat <&4 >/dev/null & echo $!', descriptors);
  closeFd(hold.read);
  closeFd(out.write);
  const orphan = Number((await readAll(out.read)).toString());
  await ended(pid);
  assert.equal(processStat(orphan)?.ppid, process.pid);
  assert.deepEqual(sessionMembers(pid), [orphan]);
  closeFd(hold.write);
  assert.deepEqual(await ended(orphan), { kind: 'exited', code: 0 });
});
