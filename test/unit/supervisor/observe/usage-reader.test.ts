import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProcessUsage } from '../../../../src/linux/process-usage.ts';
import { type MeasuredProcess, UsageReader } from '../../../../src/supervisor/observe/usage-reader.ts';

/** Processes, a clock and the data of /proc, which the test can change. */
class Machine {
  now = 10_000;
  processes: MeasuredProcess[] = [];
  usage = new Map<number, ProcessUsage>();
  readings = 0;
  readonly reader = new UsageReader({
    processes: () => this.processes,
    usage: async (workers) => {
      this.readings += 1;
      return new Map(
        workers.flatMap((worker) => {
          const usage = this.usage.get(worker.session);
          return usage === undefined ? [] : [[worker, usage]];
        }),
      );
    },
    now: () => this.now,
  });

  start(session: number, worker = 0): void {
    this.processes.push({
      pid: session,
      session,
      relatives: [],
      startedAt: this.now,
      key: { generation: 1, worker },
    });
  }

  set(session: number, cpuSeconds: number, residentBytes = 1000): void {
    this.usage.set(session, { cpuSeconds, residentBytes });
  }

  /** Share and interval of each worker. */
  async shares(): Promise<[share: number, interval: number][]> {
    return (await this.reader.read()).map(({ cpuShare, intervalMs }) => [cpuShare, intervalMs]);
  }
}

test('the first reading has the share since the start of the worker', async () => {
  const machine = new Machine();
  machine.start(7);
  machine.now += 4000;
  machine.set(7, 1);
  assert.deepEqual(await machine.reader.read(), [
    { generation: 1, worker: 0, cpuSeconds: 1, residentBytes: 1000, cpuShare: 0.25, intervalMs: 4000 },
  ]);
});

test('a later reading has the share since the previous reading', async () => {
  const machine = new Machine();
  machine.start(7);
  machine.now += 4000;
  machine.set(7, 1);
  await machine.shares();
  machine.now += 2000;
  machine.set(7, 4);
  assert.deepEqual(await machine.shares(), [[1.5, 2000]]);
});

test('readings less than a second apart have the same start', async () => {
  const machine = new Machine();
  machine.start(7);
  machine.now += 4000;
  machine.set(7, 1);
  await machine.shares();
  machine.now += 2000;
  machine.set(7, 2);
  await machine.shares();
  machine.now += 500;
  machine.set(7, 3.5);
  assert.deepEqual(await machine.shares(), [[1, 2500]]);
});

test('a worker that started since the last reading has the share since its start', async () => {
  const machine = new Machine();
  machine.start(7);
  machine.now += 4000;
  machine.set(7, 1);
  await machine.shares();
  machine.now += 1000;
  machine.start(8, 1);
  machine.now += 1000;
  machine.set(8, 0.5);
  assert.deepEqual(await machine.shares(), [
    [0, 2000],
    [0.5, 1000],
  ]);
});

test('CPU time that is lost with a process causes no negative share', async () => {
  const machine = new Machine();
  machine.start(7);
  machine.now += 4000;
  machine.set(7, 3);
  await machine.shares();
  machine.now += 1000;
  machine.set(7, 1);
  assert.deepEqual(await machine.shares(), [[0, 1000]]);
});

test('a worker and the remaining processes of its predecessor are one worker', async () => {
  const machine = new Machine();
  machine.start(7);
  machine.start(8);
  machine.start(9, 1);
  machine.now += 1000;
  machine.set(7, 1, 100);
  machine.set(8, 0.5, 20);
  assert.deepEqual(await machine.reader.read(), [
    { generation: 1, worker: 0, cpuSeconds: 1.5, residentBytes: 120, cpuShare: 1.5, intervalMs: 1000 },
  ]);
});

test('concurrent callers share one reading', async () => {
  const machine = new Machine();
  await Promise.all([machine.reader.read(), machine.reader.read()]);
  assert.equal(machine.readings, 1);
});
