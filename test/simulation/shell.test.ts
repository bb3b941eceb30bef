import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkerKey } from '../../src/lifecycle/events.ts';
import type { WorkerProcess } from '../../src/supervisor/run/worker-process.ts';
import { ProcessTable } from '../../src/workers/processes/process-table.ts';
import { type FakeCall, FakeKernel } from './fake-kernel.ts';
import type { FakeProcess } from './fake-process.ts';
import { FakeShell } from './fake-shell.ts';

const SERVICE = `
  listeners: [{ name: http, address: "127.0.0.1:80" }]
  runtime: { path: /srv/app }
`;
const BY_MESSAGE = `${SERVICE}
  readiness: { notify: true, accept: false }
`;
const BY_DESCRIPTOR = `${SERVICE}
  readiness: { ready_fd: 10 }
`;
const KEY: WorkerKey = { generation: 1, worker: 0, incarnation: 0 };

/** A generation with one worker on lane 0. */
function start(
  service: string,
  shell = new FakeShell(),
): { shell: FakeShell; worker: WorkerProcess; process: FakeProcess } {
  shell.add(1, service);
  const pid = shell.generations.spawn(KEY, { lane: 0, rescue: false });
  const worker = shell.generations.find(KEY);
  const process = shell.kernel.processes.get(Number(pid));
  assert.ok(worker && process, JSON.stringify(pid));
  return { shell, worker, process };
}

/** Asserts that every process has exited, and that nothing of it is held. */
function assertNothingLeft(shell: FakeShell): void {
  shell.kernel.settle();
  assert.deepEqual(shell.kernel.processes.all, [shell.kernel.processes.supervisor]);
  assert.deepEqual(shell.kernel.openDescriptors, []);
  assert.equal(shell.listeners.probes, 0);
  assert.deepEqual([...shell.table.known()], []);
}

describe('the shell over a fake kernel', () => {
  it('starts a worker, passes its gates, signals it and reaps it', () => {
    const { shell, worker, process } = start(`${SERVICE}\n  readiness: { notify: true, ready_fd: 10 }\n`);
    shell.timers.advance(100);
    assert.deepEqual(shell.posted, []);
    assert.deepEqual(
      worker.reasons().map((reason) => reason.split(':')[0]),
      ['accept', 'notify', 'ready_fd'],
    );
    shell.accept(0);
    shell.timers.advance(100);
    shell.kernel.notify(process, 'READY=1');
    process.pipes.get(10)?.write(Buffer.from('\n'));
    shell.kernel.settle();
    assert.deepEqual(
      shell.all('gate_passed').map(({ gate }) => gate),
      ['accept', 'notify', 'ready_fd'],
    );
    process.print('bye\n');
    assert.deepEqual(worker.signal('SIGTERM'), { signalled: [process.pid], refused: [] });
    shell.kernel.settle();
    const [exited, ...more] = shell.all('exited');
    assert.deepEqual(exited?.exit, { kind: 'signaled', signal: 'SIGTERM', coreDumped: false });
    assert.deepEqual(exited?.output, ['bye']);
    assert.equal(exited?.leftovers, 0);
    assert.deepEqual(more, []);
    assert.equal(worker.ended, true);
    assert.deepEqual(worker.signal('SIGTERM'), { signalled: [], refused: [] });
    shell.generations.release(1);
    assert.equal(shell.listeners.held, 0);
    assertNothingLeft(shell);
  });

  it('waits for the remaining processes, and kills them', () => {
    const { shell, worker, process } = start(SERVICE);
    const { processes } = shell.kernel;
    const inside = processes.fork(process);
    const outside = processes.fork(process, 'new');
    processes.end(process, { code: 0 });
    shell.kernel.settle();
    assert.equal(shell.all('exited')[0]?.leftovers, 2);
    processes.end(inside, { code: 0 });
    shell.kernel.settle();
    assert.deepEqual(shell.all('leftovers_gone'), []);
    assert.deepEqual(worker.killLeftovers().signalled, [outside.pid]);
    assertNothingLeft(shell);
  });
});

describe('MAINPID= that is sent right before the main process exits', () => {
  for (const session of ['same', 'new'] as const) {
    for (const first of ['child_signal', 'datagram'] as const) {
      it(`is followed into the ${session} session when the ${first} is detected first`, () => {
        const { shell, worker, process } = start(BY_MESSAGE);
        const { kernel } = shell;
        const successor = kernel.processes.fork(process, session);
        kernel.notify(process, `MAINPID=${successor.pid}`);
        kernel.processes.end(process, { code: 0 });
        for (const { kind, run } of kernel.notices()) if (kind === first) run();
        kernel.settle();
        assert.equal(worker.pid, successor.pid);
        assert.deepEqual(shell.posted, [{ type: 'pid_changed', ...KEY, pid: successor.pid }]);
        assert.deepEqual(shell.reported, []);
        kernel.processes.end(successor, { code: 3 });
        kernel.settle();
        assert.deepEqual(shell.all('exited')[0]?.exit, { kind: 'exited', code: 3 });
        assertNothingLeft(shell);
      });
    }
  }
});

describe('a kernel that refuses', () => {
  const CALLS: readonly FakeCall[] = ['createDatagramSocket', 'watch', 'openOutputPipe', 'openPipe', 'spawn'];
  for (const refused of CALLS) {
    it(`${refused} makes the start fail, and leaks nothing`, () => {
      const shell = new FakeShell({ refuse: (call) => (call === refused ? 'ENFILE' : null) });
      shell.add(1, BY_DESCRIPTOR);
      const failure = shell.generations.spawn(KEY, { lane: 0, rescue: false });
      assert.ok(typeof failure !== 'number');
      assert.match(failure.reason, /^start \/srv\/app: .*ENFILE/);
      assert.deepEqual(shell.generations.processes(), []);
      assertNothingLeft(shell);
    });
  }

  it('a pidfd at the start does not prevent signals to the worker', () => {
    let refuses = true;
    const shell = new FakeShell({
      refuse: (call) => (refuses && call === 'openPidfd' ? 'ENOMEM' : null),
    });
    const { worker, process } = start(SERVICE, shell);
    assert.deepEqual(worker.signal('SIGTERM').refused, [
      { pid: process.pid, command: process.comm, errno: 'ENOMEM' },
    ]);
    refuses = false;
    assert.deepEqual(worker.kill().signalled, [process.pid]);
    assertNothingLeft(shell);
  });

  it('a signal is reported as refused, and the other processes are killed', () => {
    const guarded = new Set<number | string>();
    const shell = new FakeShell({
      refuse: (call, subject) => (call === 'sendSignal' && guarded.has(subject) ? 'EPERM' : null),
    });
    const { worker, process } = start(SERVICE, shell);
    const sudo = shell.kernel.processes.fork(process);
    const other = shell.kernel.processes.fork(process);
    guarded.add(process.pid).add(sudo.pid);
    const { signalled, refused } = worker.kill();
    assert.deepEqual(signalled, []);
    assert.deepEqual(
      refused.map(({ pid, errno }) => [pid, errno]),
      [[process.pid, 'EPERM']],
    );
    shell.kernel.settle();
    assert.deepEqual(
      [process, sudo, other].map(({ hasExited }) => hasExited),
      [false, false, true],
    );
    guarded.clear();
    worker.kill();
    assertNothingLeft(shell);
  });

  it('the list of processes does not prevent the evaluation of an exit, or the kill of the main process', () => {
    let refuses = true;
    const shell = new FakeShell({
      refuse: (call) => (refuses && call === 'listProcesses' ? 'ENOMEM' : null),
    });
    const { worker, process } = start(SERVICE, shell);
    const child = shell.kernel.processes.fork(process);
    assert.deepEqual(worker.kill().signalled, [process.pid]);
    shell.kernel.settle();
    assert.equal(shell.all('exited')[0]?.leftovers, 1);
    refuses = false;
    assert.deepEqual(worker.killLeftovers().signalled, [child.pid]);
    assertNothingLeft(shell);
  });
});

describe('an exception', () => {
  it('in the callback of one exit does not prevent the report of another exit', () => {
    const kernel = new FakeKernel();
    const table = new ProcessTable(kernel);
    table.start();
    const reported: number[] = [];
    const request = { path: '/srv/app', argv: [], environment: [], descriptors: new Map() };
    const [first, second] = [kernel.spawn(request), kernel.spawn(request)];
    table.adopt(first, () => {
      throw new TypeError('a defect');
    });
    table.adopt(second, () => reported.push(second));
    for (const process of kernel.processes.running) kernel.processes.end(process, { code: 0 });
    for (const { kind, run } of kernel.notices()) if (kind === 'child_signal') run();
    assert.deepEqual(reported, [second]);
    // The boundary around the kernel's callbacks reports the exception.
    assert.throws(() => kernel.settle(), /a defect/);
  });

  for (const broken of ['receiveDatagram', 'listProcesses'] as const) {
    it(`in ${broken} after an exit does not lose the exit`, () => {
      const shell = new FakeShell({
        refuse: (call) => {
          if (call === broken) throw new TypeError('a defect');
          return null;
        },
      });
      const { process } = start(SERVICE, shell);
      shell.kernel.processes.end(process, { code: 3 });
      shell.kernel.settle();
      assert.deepEqual(shell.all('exited')[0]?.exit, { kind: 'exited', code: 3 });
      const [error, ...more] = shell.reported;
      assert.ok(error?.event === 'error' && error.stack?.includes('a defect'), JSON.stringify(error));
      assert.deepEqual(more, []);
    });
  }
});

describe('a reused pid', () => {
  it('is not signalled for its previous process', () => {
    const shell = new FakeShell({ maxPid: 5 });
    const { worker, process } = start(SERVICE, shell);
    const { processes } = shell.kernel;
    processes.end(process, { code: 1 });
    shell.kernel.settle();
    // Descendants of another program, which this supervisor adopted, take the free numbers.
    const heirs = [0, 1, 2].map(() => processes.fork(processes.supervisor, 'new'));
    assert.ok(heirs.some(({ pid }) => pid === process.pid));
    assert.deepEqual(worker.signal('SIGTERM'), { signalled: [], refused: [] });
    assert.deepEqual(
      heirs.filter(({ hasExited }) => hasExited),
      [],
    );
  });

  it('is not killed if it is reused between the check of /proc and the pidfd', () => {
    let reuse: (() => void) | null = null;
    const shell = new FakeShell({
      maxPid: 4,
      refuse: (call, subject) => {
        if (call === 'openPidfd' && subject === 4) reuse?.();
        // The main process belongs to another user: it runs, and reaps its child.
        return call === 'sendSignal' && subject === 3 ? 'EPERM' : null;
      },
    });
    const { worker, process } = start(SERVICE, shell);
    const { processes } = shell.kernel;
    const child = processes.fork(process);
    assert.equal(child.pid, 4);
    let heir: FakeProcess | null = null;
    reuse = () => {
      reuse = null;
      processes.end(child, { code: 0 });
      heir = processes.fork(processes.supervisor, 'new');
    };
    worker.kill();
    shell.kernel.settle();
    const other = heir as FakeProcess | null;
    assert.equal(other?.pid, 4);
    assert.equal(other?.hasExited, false);
  });
});
