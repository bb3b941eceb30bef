import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config/index.ts';
import type { Fact } from '../../src/lifecycle/facts.ts';
import type { Happening } from '../../src/supervisor/engine.ts';
import { Generations } from '../../src/supervisor/generations.ts';
import type { Prepared } from '../../src/supervisor/prepare.ts';
import { settingsOf } from '../../src/supervisor/settings.ts';
import { OutputLog } from '../../src/workers/output-log.ts';
import { ProcessTable } from '../../src/workers/process-table.ts';
import { Sink } from '../../src/workers/sink.ts';
import { FakeKernel, type FakeKernelOptions } from './fake-kernel.ts';
import { FakeListeners } from './fake-listeners.ts';
import { FakeTimers } from './fake-timers.ts';

const PATH = '/srv/app';

/** The shell's own generations, processes and gates over a fake kernel, fake listeners and a fake clock. */
export class FakeShell {
  readonly kernel: FakeKernel;
  readonly listeners = new FakeListeners();
  readonly timers = new FakeTimers();
  readonly table: ProcessTable;
  readonly generations: Generations;
  readonly posted: Happening[] = [];
  readonly reported: Fact[] = [];

  constructor(options: FakeKernelOptions = {}) {
    this.kernel = new FakeKernel(options);
    this.table = new ProcessTable(this.kernel);
    const sink = new Sink({ fd: -1, system: { open: () => NOWHERE, after: () => () => {} } });
    this.generations = new Generations({
      runtimeDirectory: '/run/zero/simulated',
      kernel: this.kernel,
      table: this.table,
      stdout: sink,
      stderr: sink,
      output: new OutputLog(),
      timers: this.timers,
      runCommand: () => () => Promise.resolve({ kind: 'exited', code: 0 }),
      listeners: this.listeners,
      post: (happening) => this.posted.push(happening),
      report: (fact) => this.reported.push(fact),
    });
    this.table.start();
  }

  /** Adds a generation. `service` is the service section of its config, in YAML. */
  add(generation: number, service: string): Prepared {
    const parsed = parseConfig(`service:\n${service}`, 'simulated.yaml');
    if ('problems' in parsed) assert.fail(JSON.stringify(parsed.problems));
    const { config } = parsed;
    const identity = { device: 1, inode: 1, size: 1, mtimeMs: 1 };
    const acquired = this.listeners.acquire(config.service.listeners);
    const prepared: Prepared = {
      config,
      settings: settingsOf(config, { path: PATH, directory: '/' }),
      release: {
        path: PATH,
        executable: PATH,
        directory: '/',
        identity,
        environment: new Map(),
        environmentNames: [],
      },
      user: null,
      acquired,
      record: {
        path: PATH,
        args: [],
        directory: '/',
        kind: 'program',
        device: 1,
        inode: 1,
        size: 1,
        mtime_ms: 1,
        environment: [],
      },
      rollbackTo: null,
      source: null,
      close: () => acquired.release(),
    };
    this.generations.add(generation, prepared);
    return prepared;
  }

  /** What was posted of one type, in order. */
  all<Type extends Happening['type']>(type: Type): Extract<Happening, { type: Type }>[] {
    return this.posted.filter((one): one is Extract<Happening, { type: Type }> => one.type === type);
  }
}

const NOWHERE = {
  write: (bytes: Buffer, done: (error: null, written: number) => void) =>
    queueMicrotask(() => done(null, bytes.length)),
  close: () => {},
};
