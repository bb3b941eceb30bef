import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { complaints } from '../support/complaints.ts';
import { requireProgram } from '../support/debian.ts';
import { freeze } from '../support/freeze.ts';
import { httpGet } from '../support/http-get.ts';
import { type Load, startLoad } from '../support/load.ts';
import { describe as describeLoad } from '../support/load-book.ts';
import { fixture } from '../support/paths.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero, type ZeroOptions } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

/** Requests in each phase. */
const ENOUGH = 100;
const YEAR = 365 * 24 * 3600;

interface Served {
  readonly zero: Zero;
  readonly load: Load;
  /** Requests a handover and waits for its verdict. */
  deploy(): Promise<{ outcome: string; generation: number | null }>;
  /** Stops the load. Asserts that no request was lost. */
  assertNothingLost(): Promise<void>;
}

interface ServeOptions extends Omit<ZeroOptions, 'config'> {
  readonly handover?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A service under load: one request per connection, eight at a time. */
async function serve(t: TestContext, { handover, ...options }: ServeOptions = {}): Promise<Served> {
  const folder = options.folder ?? temporaryFolder(t);
  const zero = startZero(t, {
    ...options,
    folder,
    config: {
      application: { runtime_directory: join(folder, 'run'), data_directory: join(folder, 'data') },
      service: {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }],
        runtime: { path: process.execPath, args: [fixture('abrupt.js')], environment: environmentList({}) },
        options: { reload_uptime: '0s' },
        handover: { settle: '200ms', drain_timeout: '2s', ...handover },
        restart: { backoff: { initial: '10ms', factor: 1 } },
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  const load = startLoad(t, { target: await zero.address('http') });
  await load.whenPhaseHas(ENOUGH);
  return {
    zero,
    load,
    async deploy() {
      const from = zero.cursor;
      zero.signal('SIGHUP');
      const { outcome, generation } = await zero.fact('handover_finished', {}, from);
      return { outcome, generation };
    },
    async assertNothingLost() {
      load.phase('the end');
      await load.whenPhaseHas(ENOUGH);
      const result = await load.stop();
      assert.equal(result.failed, 0, `${describeLoad(result)}\n${JSON.stringify(result.losses.slice(0, 5))}`);
    },
  };
}

describe('under load no request is lost', () => {
  it('when zero is stopped (SIGSTOP) and continued, with a reload signal in between', DEADLINE, async (t) => {
    const { zero, load, assertNothingLost } = await serve(t);
    await freeze(zero);
    load.phase('stopped');
    await load.whenPhaseHas(5 * ENOUGH);
    zero.signal('SIGHUP');
    zero.signal('SIGCONT');
    const { outcome } = await zero.fact('handover_finished', { handover: 2 });
    assert.equal(outcome, 'promoted');
    await assertNothingLost();
    assert.deepEqual(complaints(zero, ['warn', 'error']), []);
  });

  it('when 1,000 reload signals arrive, which become a few handovers', DEADLINE, async (t) => {
    const { zero, deploy, assertNothingLost } = await serve(t);
    for (let sent = 0; sent < 1_000; sent += 1) {
      zero.signal('SIGHUP');
      await nextTurn();
    }
    const { outcome } = await deploy();
    assert.equal(outcome, 'promoted');
    await assertNothingLost();
    const handovers = zero.log.all('handover_started').length;
    assert.ok(handovers > 1 && handovers < 100, `${handovers} handovers`);
    assert.deepEqual(zero.log.all('error'), []);
  });

  it('when the clock changes by a year, forward and back, during a soak', DEADLINE, async (t) => {
    const gcc = requireProgram(t, 'gcc', 'gcc libc6-dev');
    if (gcc === null) return;
    const folder = temporaryFolder(t);
    const [library, clock] = [join(folder, 'clock.so'), join(folder, 'clock')];
    execFileSync(gcc, ['-shared', '-fPIC', '-O1', '-o', library, fixture('clock.c')]);
    const set = (seconds: number): void => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds));
      // The same inode, because it is mapped.
      writeFileSync(clock, bytes, { flag: 'r+' });
    };
    writeFileSync(clock, Buffer.alloc(8));
    const { zero, assertNothingLost } = await serve(t, {
      folder,
      environment: { LD_PRELOAD: library, CLOCK_FILE: clock },
      handover: { soak: '1s' },
    });
    const today = new Date().getFullYear();
    for (const [handover, shift] of [
      [2, YEAR],
      [3, -YEAR],
      [4, 0],
    ] as const) {
      const from = zero.cursor;
      zero.signal('SIGHUP');
      await zero.fact('generation_promoted', { generation: handover }, from);
      set(shift);
      const { outcome, duration } = await zero.fact('handover_finished', { handover });
      assert.equal(outcome, 'promoted');
      const line = zero.log.text.split('\n').findLast((text) => text.includes('"event":"handover_finished"'));
      assert.equal(new Date(JSON.parse(line ?? '{}').time).getFullYear() - today, Math.sign(shift));
      assert.ok(duration >= 1_000 && duration < 20_000, `${duration} ms`);
      await zero.fact('generation_gone', { generation: handover - 1 });
    }
    await assertNothingLost();
    assert.deepEqual(zero.log.all('error'), []);
  });
});

describe('the service keeps running', () => {
  it('when the runtime and data directories are deleted', DEADLINE, async (t) => {
    const { zero, load, assertNothingLost } = await serve(t);
    rmSync(join(zero.folder, 'run'), { recursive: true });
    rmSync(join(zero.folder, 'data'), { recursive: true });
    load.phase('deleted');
    await load.whenPhaseHas(ENOUGH);
    await assertNothingLost();
  });

  it('when the kernel kills a worker that exceeds the memory of its cgroup', DEADLINE, async (t) => {
    const group = memoryGroup(t, 96);
    if (group === null) return;
    const eater = `require('node:http').createServer((request, response) => {
      if (request.url === '/eat') for (const all = []; ; ) all.push(Buffer.alloc(1 << 20, 1));
      response.end(String(process.pid));
    }).listen({ fd: 3 })`;
    const zero = startZero(t, {
      config: {
        service: {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: { path: process.execPath, args: ['-e', eater], environment: environmentList({}) },
          options: { reload_uptime: '0s' },
          restart: { backoff: { initial: '10ms', factor: 1 } },
        },
      },
    });
    await zero.fact('handover_finished', { outcome: 'promoted' });
    const address = await zero.address('http');
    const { pid } = await zero.fact('worker_spawned');
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
    await assert.rejects(httpGet(address, '/eat'));
    const { exit } = await zero.fact('worker_exited', { worker: 0 });
    assert.deepEqual(exit, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
    const { body } = await httpGet(address, '/');
    assert.notEqual(Number(body), pid);
    await zero.fact('worker_spawned', { pid: Number(body) });
  });
});

/**
 * A separate cgroup with this many MiB, v1 or v2. Without the permission to create one the test is skipped, and the
 * result is null.
 */
function memoryGroup(t: TestContext, mebibytes: number): string | null {
  const name = `zero-test-${process.pid}`;
  for (const [root, limit] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ] as const) {
    const group = join(root, name);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    t.after(() => rmdirSync(group));
    try {
      writeFileSync(join(group, limit), String(mebibytes * 1024 * 1024));
      return group;
    } catch {
      // Not a directory of the memory controller.
    }
  }
  t.skip('needs the rights of root, and a memory controller');
  return null;
}
