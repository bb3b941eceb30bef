import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { errnoNumber, SystemError } from '../../../../src/linux/errors.ts';
import { type Kernel, linux } from '../../../../src/linux/kernel.ts';
import { keepSpare, withSpare } from '../../../../src/linux/spare.ts';
import { describeRefusal, NOBODY, signalOnce } from '../../../../src/workers/processes/delivery.ts';
import { ProcessTable } from '../../../../src/workers/processes/process-table.ts';
import { killProcess, killSessions } from '../../../../src/workers/processes/stopper.ts';
import { script, table } from '../support.ts';

function failure(code: string): SystemError {
  return new SystemError('test', errnoNumber(code));
}

/** Opens descriptors until the limit of the process. The result closes them. */
function exhaustDescriptors(): () => void {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    return () => {
      for (const fd of taken) closeSync(fd);
    };
  }
}

test('a child gets signals through its pidfd until it is reaped', async () => {
  const { pid, exit } = script('exec sleep 1000');
  assert.throws(() => table.signal(pid, 'SIGNONE'), RangeError);
  assert.deepEqual(table.signal(pid, 'SIGTERM'), { signalled: [pid], refused: [] });
  assert.deepEqual((await exit).status, { kind: 'signaled', signal: 'SIGTERM', coreDumped: false });
  assert.deepEqual(table.signal(pid, 'SIGTERM'), NOBODY);
  // The kernel has no process with this pid (ESRCH), which is not a refusal.
  assert.deepEqual(
    signalOnce(linux, pid, 'SIGTERM', () => true),
    NOBODY,
  );
});

test('a claimed process gets signals through its pidfd', async () => {
  const { pid, exit, line } = script('sleep 1000 & echo $!; wait');
  const grandchild = Number(await line());
  assert.deepEqual(table.signal(grandchild, 'SIGTERM'), NOBODY);
  const gone = new Promise((resolve) => table.watchForeign(grandchild, resolve, true));
  assert.deepEqual(table.signal(grandchild, 'SIGTERM'), { signalled: [grandchild], refused: [] });
  await gone;
  assert.deepEqual(table.signal(grandchild, 'SIGTERM'), NOBODY);
  await exit;
  assert.deepEqual(table.signal(pid, 'SIGTERM'), NOBODY);
});

test('a process that reuses the pid is not signalled', async () => {
  const { pid, exit } = script('exec sleep 1000');
  assert.deepEqual(
    signalOnce(linux, pid, 'SIGKILL', () => false),
    NOBODY,
  );
  // The first reading of /proc was an earlier process with the same pid.
  let looks = 0;
  const kernel: Kernel = {
    ...linux,
    processStat: (asked) => {
      const stat = linux.processStat(asked);
      if (stat?.pid !== pid) return stat;
      looks += 1;
      return { ...stat, startTime: stat.startTime + 1 };
    },
  };
  assert.deepEqual(killSessions(kernel, [pid]), NOBODY);
  assert.equal(looks, 1);
  assert.deepEqual(killSessions(linux, [pid]).signalled, [pid]);
  await exit;
});

test('a refused process is listed with its name, and the other processes are killed', async () => {
  const { pid, exit, line } = script("for i in 1 2 3; do sh -c 'echo $$; kill -STOP $$' & done; wait");
  const children = [Number(await line()), Number(await line()), Number(await line())];
  const refused = new Map([
    [children[0], 'EPERM'],
    [children[1], 'EMFILE'],
  ]);
  const pidfds = new Map<number, number>();
  const kernel: Kernel = {
    ...linux,
    openPidfd(asked) {
      if (refused.get(asked) === 'EMFILE') throw failure('EMFILE');
      const pidfd = linux.openPidfd(asked);
      pidfds.set(pidfd, asked);
      return pidfd;
    },
    sendSignal(pidfd, signal) {
      if (refused.get(pidfds.get(pidfd)) === 'EPERM') throw failure('EPERM');
      return linux.sendSignal(pidfd, signal);
    },
  };
  const delivery = killSessions(kernel, [pid]);
  await exit;
  assert.deepEqual([...delivery.signalled].sort(), [pid, children[2]].sort());
  assert.deepEqual(
    [...delivery.refused].sort((one, two) => one.errno.localeCompare(two.errno)),
    [
      { pid: children[1], command: 'sh', errno: 'EMFILE' },
      { pid: children[0], command: 'sh', errno: 'EPERM' },
    ],
  );
  killSessions(linux, [pid]);
});

test('without a list of processes the main process is killed, and the refusal is about the session', async () => {
  const { pid, exit, line } = script('sleep 1000 & echo; wait');
  await line();
  const kernel: Kernel = {
    ...linux,
    listProcesses: () => {
      throw failure('ENFILE');
    },
  };
  assert.deepEqual(killProcess(kernel, table, { pid, session: pid }), {
    signalled: [pid],
    refused: [{ pid, command: 'and its session', errno: 'ENFILE' }],
  });
  await exit;
  assert.equal(killSessions(linux, [pid]).signalled.length, 1);
});

test('a refusal reports the solution', () => {
  assert.equal(
    describeRefusal('SIGKILL', { pid: 12, command: 'sudo', errno: 'EPERM' }),
    'cannot send SIGKILL to process 12 (sudo): EPERM. Run zero as root with CAP_KILL, or as the user of that process.',
  );
  assert.equal(
    describeRefusal('SIGTERM', { pid: 12, command: 'sh', errno: 'ENOMEM' }),
    'cannot send SIGTERM to process 12 (sh): ENOMEM.',
  );
});

test('processes are killed although no descriptor is free', async () => {
  keepSpare();
  const own = new ProcessTable({
    ...linux,
    onChildSignal: () => () => {},
    openPidfd: (pid) => withoutSpare(pid),
  });
  let withoutSpare: Kernel['openPidfd'] = () => {
    throw failure('EMFILE');
  };
  const child = script('exec sleep 1000');
  const session = script('sleep 1000 & echo $!; wait');
  const grandchild = Number(await session.line());
  // This table could not open a pidfd when it adopted the child.
  own.adopt(child.pid, () => {});
  withoutSpare = linux.openPidfd;
  const release = exhaustDescriptors();
  try {
    assert.throws(() => openSync('/dev/null', 'r'), { code: 'EMFILE' });
    assert.deepEqual(own.signal(child.pid, 'SIGKILL'), { signalled: [child.pid], refused: [] });
    assert.deepEqual(
      [...killSessions(linux, [session.pid]).signalled].sort(),
      [session.pid, grandchild].sort(),
    );
    // Both spare descriptors are available again.
    const both = withSpare(() => {
      const first = openSync('/dev/null', 'r');
      try {
        closeSync(withSpare(() => openSync('/dev/null', 'r')));
        return true;
      } finally {
        closeSync(first);
      }
    });
    assert.equal(both, true);
  } finally {
    release();
  }
  await Promise.all([child.exit, session.exit]);
  own.close();
});
