import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { createDatagramSocket, receiveDatagram } from '../../../src/linux/datagrams.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { ServiceManager, watchdogInterval } from '../../../src/telemetry/service-manager.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { facts } from './facts.ts';

/** A receiving manager and its reporter. `report` returns the messages that the facts have caused. */
function start(t: TestContext, watchdog: number | null = null) {
  const folder = mkdtempSync(join(tmpdir(), 'zero-manager-'));
  const socket = join(folder, 'notify');
  const fd = createDatagramSocket(socket);
  t.after(() => {
    closeFd(fd);
    rmSync(folder, { recursive: true });
  });
  const timers = new ManualTimers();
  const warn = (message: string) => assert.fail(message);
  const manager = new ServiceManager({ socket, pid: 7, watchdog, now: () => 5_000.25, timers, warn });
  const received = (): string[] => {
    const message = receiveDatagram(fd);
    return message === null ? [] : [message.data.toString(), ...received()];
  };
  const report = (...reported: readonly Fact[]): string[] => {
    for (const fact of reported) manager.report(fact);
    return received();
  };
  return { manager, timers, received, report };
}

const EXTEND = 'EXTEND_TIMEOUT_USEC=30000000';

const begun = (handover: number, incumbent: number | null): Fact => ({
  ...facts.handover_started,
  handover,
  incumbent,
});

const promoted = (generation: number, previous: number | null): Fact => ({
  ...facts.generation_promoted,
  generation,
  previous,
});

/** The first generation serves. */
const STARTED = [begun(1, null), facts.service_starting, facts.worker_spawned, promoted(1, null)];

test('a manager receives READY=1 when the first generation serves, and nothing before the first worker', (t) => {
  const { timers, report } = start(t);
  assert.deepEqual(report(begun(1, null), facts.service_starting), []);
  assert.deepEqual(report(facts.worker_spawned, facts.worker_spawned), [
    `${EXTEND}\nSTATUS=handover 1: starting`,
  ]);
  assert.deepEqual(report(promoted(1, null)), ['READY=1\nSTATUS=generation 1 serves']);
  assert.deepEqual(report(facts.handover_finished), []);
  assert.deepEqual(timers.pending(), []);
});

test('a start is extended until the generation is late', (t) => {
  const { timers, received, report } = start(t);
  report(begun(1, null), facts.worker_spawned);
  for (let tick = 0; tick < 3; tick++) {
    timers.fire(15_000);
    assert.deepEqual(received(), [EXTEND]);
  }
  assert.deepEqual(report(facts.worker_not_ready), []);
  assert.deepEqual(timers.pending(), []);
});

test('a handover is a reload with its steps as the status, until its verdict', (t) => {
  const { timers, received, report } = start(t);
  report(...STARTED);
  assert.deepEqual(report(begun(7, 1)), [
    `RELOADING=1\nMONOTONIC_USEC=5000250\n${EXTEND}\nSTATUS=generation 1 serves; handover 7: resolving`,
  ]);
  const step = { ...facts.handover_step, handover: 7, lasts: 1000 };
  assert.deepEqual(
    report(
      facts.service_starting,
      { ...step, step: 'canary', percent: 5 },
      { ...step, step: 'canary', percent: 50 },
      promoted(2, 1),
      { ...step, step: 'soak', percent: null },
    ),
    [
      'STATUS=generation 1 serves; handover 7: starting',
      'STATUS=generation 1 serves; handover 7: canary 5 %',
      'STATUS=generation 1 serves; handover 7: canary 50 %',
      'STATUS=generation 2 serves; handover 7: soak',
    ],
  );
  timers.fire(15_000);
  assert.deepEqual(received(), [EXTEND]);
  const finished = { ...facts.handover_finished, handover: 7, generation: 2, incumbent: 2 };
  assert.deepEqual(report({ ...finished, outcome: 'promoted' }), ['READY=1\nSTATUS=generation 2 serves']);
  assert.deepEqual(timers.pending(), []);
});

test('a rollback ends the reload too, with the outcome as the status', (t) => {
  const { timers, report } = start(t);
  report(...STARTED, begun(7, 1));
  const finished = { ...facts.handover_finished, handover: 7, generation: 2, incumbent: 1 };
  assert.deepEqual(report({ ...finished, outcome: 'rolled_back' }), [
    'READY=1\nSTATUS=generation 1 serves; handover 7: rolled back',
  ]);
  assert.deepEqual(timers.pending(), []);
});

test('a generation that never served sends no READY=1 when the next reload fails', (t) => {
  const { report } = start(t);
  report(begun(1, null), facts.worker_spawned, begun(2, 1));
  const failed = { ...facts.handover_finished, handover: 2, incumbent: 1, outcome: 'failed' } as const;
  assert.deepEqual(report(failed), []);
  assert.deepEqual(report(promoted(3, null)), ['READY=1\nSTATUS=generation 3 serves']);
});

test('a supervisor that continues a service is the main process, and ready if a generation serves', (t) => {
  assert.deepEqual(start(t).report({ ...facts.supervisor_recovered, incumbent: 3 }), [
    'READY=1\nMAINPID=7\nSTATUS=generation 3 serves',
  ]);
  const { report } = start(t);
  assert.deepEqual(report({ ...facts.supervisor_recovered, incumbent: null }), ['MAINPID=7']);
  assert.deepEqual(report(promoted(4, null)), ['READY=1\nSTATUS=generation 4 serves']);
});

test('after STOPPING=1 a manager receives only WATCHDOG=1', (t) => {
  const { manager, timers, received, report } = start(t, 500);
  report(...STARTED, begun(7, 1));
  assert.deepEqual(report(facts.stop_requested), ['STOPPING=1\nSTATUS=stopping']);
  assert.deepEqual(report(facts.handover_finished, promoted(2, 1)), []);
  timers.fire(500);
  timers.fire(500);
  assert.deepEqual(received(), ['WATCHDOG=1', 'WATCHDOG=1']);
  manager.close();
  assert.deepEqual(timers.pending(), []);
});

test('the process that serves sends WATCHDOG=1 after half of the watchdog time', () => {
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7), 15_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '30000000' }, 7), 15_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7), null);
  for (const none of [undefined, '', '0', '-1', 'soon']) {
    assert.equal(watchdogInterval({ WATCHDOG_USEC: none }, 7), null);
  }
});

test('a missing manager is reported once', () => {
  const warnings: string[] = [];
  const manager = new ServiceManager({
    socket: '/no/such/socket',
    pid: 7,
    watchdog: null,
    now: () => 0,
    timers: new ManualTimers(),
    warn: (message) => void warnings.push(message),
  });
  manager.report(facts.generation_promoted);
  manager.report(facts.stop_requested);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /^notify the service manager at \/no\/such\/socket: .*ENOENT/);
});
