import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ExitStatus } from '../../../../src/lifecycle/facts.ts';
import { errnoNumber, SystemError } from '../../../../src/linux/errors.ts';
import { linux } from '../../../../src/linux/kernel.ts';
import { becomeSubreaper, type Reaped } from '../../../../src/linux/processes.ts';
import { type ProcessStat, processStat } from '../../../../src/linux/procfs.ts';
import { NOBODY } from '../../../../src/workers/processes/delivery.ts';
import { belongsTo, isDescendantOf } from '../../../../src/workers/processes/descendants.ts';
import { ProcessTable } from '../../../../src/workers/processes/process-table.ts';
import { killLeftovers, killSessions, leftovers } from '../../../../src/workers/processes/stopper.ts';
import { NO_USAGE, sessionMembers } from '../../../support/processes.ts';
import { sendSignal } from '../../../support/send-signal.ts';
import { folder, script, table } from '../support.ts';

becomeSubreaper();

function foreign(pid: number): Promise<ExitStatus> {
  return new Promise((resolve) => table.watchForeign(pid, resolve));
}

test('an exit is reported with its code or signal, and with the usage', async () => {
  const exited = await script('exit 3').exit;
  assert.deepEqual(exited.status, { kind: 'exited', code: 3 });
  assert.ok((exited.usage?.maxRssBytes ?? 0) > 0);
  const killed = await script('kill -TERM $$').exit;
  assert.deepEqual(killed.status, { kind: 'signaled', signal: 'SIGTERM', coreDumped: false });
});

test('many simultaneous exits are all reported', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, (_, index) => script(`exit ${index}`).exit));
  assert.deepEqual(
    all.map(({ status }) => (status.kind === 'exited' ? status.code : status)),
    Array.from({ length: 20 }, (_, index) => index),
  );
});

test('exits that take the kernel long to clean up are reported in several turns of the event loop', () => {
  const queue = [7, 8, 9].map((pid): Reaped => ({ pid, status: 0, usage: NO_USAGE }));
  const turns: (() => void)[] = [];
  let now = 0;
  const own = new ProcessTable(
    {
      ...linux,
      openPidfd: () => {
        throw new SystemError('pidfd_open', errnoNumber('EMFILE'));
      },
      reapOne: () => {
        const next = queue.shift() ?? null;
        if (next?.pid === 8) now += 10;
        return next;
      },
      onChildSignal: () => () => {},
      defer: (run) => void turns.push(run),
    },
    undefined,
    () => now,
  );
  const reported: number[] = [];
  for (const pid of [7, 8, 9]) own.adopt(pid, () => reported.push(pid));
  own.start();
  assert.deepEqual(reported, [7, 8]);
  assert.equal(turns.length, 1);
  turns.pop()?.();
  assert.deepEqual(reported, [7, 8, 9]);
  assert.equal(turns.length, 0);
});

test('an exit of a child before its adoption is reported', async () => {
  const queue: Reaped[] = [{ pid: 7, status: 0, usage: NO_USAGE }];
  let signalled: () => void = () => assert.fail('not started');
  const own = new ProcessTable({
    ...linux,
    openPidfd: () => {
      throw new SystemError('pidfd_open', errnoNumber('EMFILE'));
    },
    reapOne: () => queue.shift() ?? null,
    onChildSignal: (listener) => {
      signalled = listener;
      return () => {};
    },
  });
  own.adopt(7, (status) => assert.deepEqual(status, { kind: 'exited', code: 0 }));
  own.start();
  assert.equal(own.known().size, 0);
  queue.push({ pid: 8, status: 0, usage: NO_USAGE });
  // SIGCHLD arrived before the adoption, and is not repeated.
  const status = await new Promise((resolve) => own.adopt(8, resolve));
  assert.deepEqual(status, { kind: 'exited', code: 0 });
  signalled();
  own.close();
});

test('simultaneous exits are reported in one batch, with one listing of /proc', () => {
  const queue: Reaped[] = [7, 8, 9].map((pid) => ({ pid, status: 0, usage: NO_USAGE }));
  const events: string[] = [];
  const own = new ProcessTable(
    {
      ...linux,
      openPidfd: (pid) => pid,
      closeFd: () => {},
      defer: () => {},
      reapOne: () => {
        const next = queue.shift() ?? null;
        if (next !== null) events.push(`reaped ${next.pid}`);
        return next;
      },
      listProcesses: () => {
        events.push('listed');
        return [];
      },
      onChildSignal: () => () => {},
    },
    (run) => {
      events.push('batch');
      run();
    },
  );
  for (const pid of [7, 8, 9]) {
    own.adopt(pid, () => {
      own.processes();
      events.push(`exit ${pid}`);
    });
  }
  own.start();
  const reaped = ['reaped 7', 'reaped 8', 'reaped 9'];
  assert.deepEqual(events, [...reaped, 'batch', 'listed', 'exit 7', 'exit 8', 'exit 9']);
  own.processes();
  own.processes();
  assert.deepEqual(events.slice(-2), ['listed', 'listed']);
  own.close();
});

test('an orphan is reaped silently', async () => {
  const { pid, exit, line } = script('sh -c "echo \\$\\$; exec sleep 1000" & wait');
  const orphan = Number(await line());
  sendSignal(pid, 'SIGKILL');
  await exit;
  assert.equal(processStat(orphan)?.ppid, process.pid);
  // Not a child that is waited for. It is watched as a foreign process, and its status is known because it became a
  // child.
  const gone = foreign(orphan);
  sendSignal(orphan, 'SIGKILL');
  assert.deepEqual(await gone, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
  assert.equal(processStat(orphan), null);
});

test("only the exit of another process's child is known", async () => {
  const { exit, line } = script('sleep 1000 & echo $!; wait; exit 4');
  const grandchild = Number(await line());
  const gone = foreign(grandchild);
  sendSignal(grandchild, 'SIGKILL');
  assert.deepEqual(await gone, { kind: 'unknown' });
  assert.deepEqual((await exit).status, { kind: 'exited', code: 4 });
  assert.throws(() => table.watchForeign(grandchild, () => {}), { code: 'ESRCH' });
});

for (const [who, isAdopted] of [
  ['an orphan', false],
  ['a new worker', true],
] as const) {
  test(`a foreign process has exited if ${who} has its number`, () => {
    const heir = { ...linux.processStat(process.pid), ppid: linux.pid, exiting: false };
    let readable: () => void = () => assert.fail('not watched');
    const own = new ProcessTable({
      ...linux,
      openPidfd: () => -1,
      closeFd: () => {},
      watch: (_, onReadable) => {
        readable = onReadable;
        return { close: () => {} };
      },
      reapOne: () => null,
      onChildSignal: () => () => {},
      processStat: () => heir as ProcessStat,
    });
    own.start();
    const reported: ExitStatus[] = [];
    own.watchForeign(7, (status) => reported.push(status));
    if (isAdopted) own.adopt(7, () => assert.fail('the new process runs'));
    else readable();
    assert.deepEqual(reported, [{ kind: 'unknown' }]);
    assert.deepEqual([...own.known()], isAdopted ? [7] : []);
  });
}

test('a foreign process is known after it is claimed', async () => {
  const { exit, line } = script('sleep 1000 & echo $!; wait');
  const grandchild = Number(await line());
  const watched = foreign(grandchild);
  assert.equal(table.known().has(grandchild), false);
  const claimed = new Promise((resolve) => table.watchForeign(grandchild, resolve, true));
  assert.equal(table.known().has(grandchild), true);
  sendSignal(grandchild, 'SIGKILL');
  assert.deepEqual(await Promise.all([watched, claimed]), [{ kind: 'unknown' }, { kind: 'unknown' }]);
  assert.equal(table.known().has(grandchild), false);
  await exit;
});

test('a process of another supervisor is adopted by its pid and start time', async () => {
  const { exit, line } = script('sleep 1000 & echo $!; wait');
  const pid = Number(await line());
  const startTime = processStat(pid)?.startTime ?? 0;
  const never = () => assert.fail('not adopted');
  assert.equal(table.adoptForeign(pid, startTime + 1, never), false);
  assert.equal(table.known().has(pid), false);
  const gone = new Promise((resolve) => assert.equal(table.adoptForeign(pid, startTime, resolve), true));
  assert.equal(table.known().has(pid), true);
  assert.deepEqual(table.signal(pid, 'SIGKILL'), { signalled: [pid], refused: [] });
  assert.deepEqual(await gone, { kind: 'unknown' });
  assert.equal(table.known().has(pid), false);
  assert.equal(table.adoptForeign(pid, startTime, never), false);
  await exit;
});

test('a pid that is reused between the check and the pidfd is not adopted', () => {
  const stat = processStat(process.pid);
  assert.ok(stat);
  const looks = [stat, { ...stat, startTime: stat.startTime + 1 }];
  const open = new Set<number>();
  const own = new ProcessTable({
    ...linux,
    openPidfd: (pid) => {
      const fd = linux.openPidfd(pid);
      open.add(fd);
      return fd;
    },
    closeFd: (fd) => {
      open.delete(fd);
      linux.closeFd(fd);
    },
    processStat: () => looks.shift() ?? null,
  });
  assert.equal(
    own.adoptForeign(process.pid, stat.startTime, () => assert.fail('not adopted')),
    false,
  );
  assert.equal(own.known().size, 0);
  assert.equal(open.size, 0);
});

test('orphans of an adopted worker are found by its notify socket', async () => {
  const path = join(folder, '1.0.1');
  // A process has no environment during an exec.
  const { pid, exit, line } = script(`setsid perl -e '$| = 1; print "$$\\n"; sleep 1000' & wait`, [
    `NOTIFY_SOCKET=${path}`,
  ]);
  const outside = Number(await line());
  const departed = { session: pid, since: processStat(pid)?.startTime ?? 0, generation: 1, worker: 0 };
  // The number of no process: the children of process 1 are orphans of any program on the machine.
  const kernel = { ...linux, pid: 2 ** 22 + 1 };
  assert.deepEqual(leftovers(kernel, departed, table.known()).orphans, []);
  assert.deepEqual(leftovers(kernel, { ...departed, notifyPath: path }, table.known()).orphans, [outside]);
  const other = { ...departed, notifyPath: `${path}1` };
  assert.deepEqual(leftovers(kernel, other, table.known()).orphans, []);
  // EMFILE says nothing about the process. EACCES means that the process belongs to another user.
  const failing = (code: string) => ({
    ...kernel,
    environmentOf: () => {
      throw Object.assign(new Error(code), { code, syscall: 'open' });
    },
  });
  const meant = { ...departed, notifyPath: path };
  assert.deepEqual(leftovers(failing('EACCES'), meant, table.known()).orphans, []);
  assert.throws(() => leftovers(failing('EMFILE'), meant, table.known()), { code: 'EMFILE' });
  const { signalled, refused } = killLeftovers(failing('EMFILE'), meant, table.known());
  assert.deepEqual(signalled, []);
  assert.deepEqual(
    refused.map(({ errno }) => errno),
    ['EMFILE'],
  );
  sendSignal(outside, 'SIGKILL');
  await exit;
});

test('a closed watch reports nothing', async () => {
  const { pid, exit } = script('exec sleep 1000');
  const watch = table.watchForeign(pid, () => assert.fail('closed'));
  watch.close();
  watch.close();
  sendSignal(pid, 'SIGKILL');
  await exit;
});

test('descent is followed over several parents, and by session if a parent has exited', async () => {
  const { pid, exit, line } = script("sh -c 'echo $$; sleep 1000 & echo $!; wait' & wait");
  const child = Number(await line());
  const grandchild = Number(await line());
  const worker = { pid, session: pid };
  assert.equal(isDescendantOf(linux, grandchild, pid), true);
  assert.equal(isDescendantOf(linux, grandchild, process.pid), true);
  assert.equal(isDescendantOf(linux, pid, grandchild), false);
  assert.equal(belongsTo(linux, grandchild, worker), true);
  assert.equal(belongsTo(linux, process.pid, worker), false);
  assert.equal(belongsTo(linux, 1, worker), false);
  sendSignal(child, 'SIGKILL');
  sendSignal(pid, 'SIGKILL');
  await exit;
  assert.equal(isDescendantOf(linux, grandchild, pid), false);
  assert.equal(belongsTo(linux, grandchild, worker), true);
  assert.equal(belongsTo(linux, grandchild, { pid, session: -1 }), false);
  killSessions(linux, [pid]);
});

test('remaining processes of a worker are found inside and outside its session, and killed', async () => {
  const environment = ['ZERO_GENERATION=1', 'ZERO_WORKER=0'];
  const text = `trap 'exit 0' TERM
    sleep 1000 & echo $!
    setsid sh -c 'echo $$; exec sleep 1000' &
    wait`;
  const { pid, exit, line } = script(text, environment);
  const since = processStat(pid)?.startTime ?? 0;
  const inside = Number(await line());
  const outside = Number(await line());
  sendSignal(pid, 'SIGTERM');
  assert.deepEqual((await exit).status, { kind: 'exited', code: 0 });
  const departed = { session: pid, since, generation: 1, worker: 0 };
  assert.deepEqual(leftovers(linux, departed, table.known()), { session: [inside], orphans: [outside] });
  assert.deepEqual(leftovers(linux, { ...departed, worker: 1 }, table.known()).orphans, []);
  assert.deepEqual(leftovers(linux, { ...departed, since: since + 1e9 }, table.known()).orphans, []);
  assert.deepEqual(leftovers(linux, departed, new Set([inside, outside])), { session: [], orphans: [] });
  const gone = Promise.all([foreign(inside), foreign(outside)]);
  assert.deepEqual(
    [...killLeftovers(linux, departed, table.known()).signalled].sort(),
    [inside, outside].sort(),
  );
  await gone;
  assert.deepEqual(leftovers(linux, departed, table.known()), { session: [], orphans: [] });
});

test('a session that forks is killed to the last process', async () => {
  const { pid, exit, line } = script('for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo; wait');
  await line();
  const gone = Promise.all(sessionMembers(pid).map((member) => (member === pid ? exit : foreign(member))));
  assert.equal(killSessions(linux, [pid]).signalled.length, 9);
  await gone;
  assert.deepEqual(killSessions(linux, [pid]), NOBODY);
});

test("zero's own session and session 0 are never killed", () => {
  assert.deepEqual(killSessions(linux, [processStat(process.pid)?.session ?? 0]), NOBODY);
  assert.deepEqual(killSessions(linux, [0]), NOBODY);
});
