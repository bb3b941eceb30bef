import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitStatusOf, usageOf } from '../../../../src/workers/processes/wait-status.ts';

test('a wait status is an exit code, or a signal with or without a core dump', () => {
  assert.deepEqual(exitStatusOf(0), { kind: 'exited', code: 0 });
  assert.deepEqual(exitStatusOf(0xff00), { kind: 'exited', code: 255 });
  assert.deepEqual(exitStatusOf(15), { kind: 'signaled', signal: 'SIGTERM', coreDumped: false });
  assert.deepEqual(exitStatusOf(0x80 | 11), { kind: 'signaled', signal: 'SIGSEGV', coreDumped: true });
  assert.deepEqual(exitStatusOf(35), { kind: 'signaled', signal: 'SIGRTMIN+1', coreDumped: false });
});

test('the status of a stopped child is unknown', () => {
  assert.deepEqual(exitStatusOf(0x137f), { kind: 'unknown' });
});

test('the memory of a process is in bytes', () => {
  const raw = {
    utime: 1.5,
    stime: 0.25,
    maxrss: 2,
    minflt: 3,
    majflt: 4,
    inblock: 5,
    oublock: 6,
    nsignals: 7,
    nvcsw: 8,
    nivcsw: 9,
  };
  assert.deepEqual(usageOf(raw), {
    userSeconds: 1.5,
    systemSeconds: 0.25,
    maxRssBytes: 2048,
    minorFaults: 3,
    majorFaults: 4,
    diskReads: 5,
    diskWrites: 6,
    signals: 7,
    voluntaryContextSwitches: 8,
    involuntaryContextSwitches: 9,
  });
});
