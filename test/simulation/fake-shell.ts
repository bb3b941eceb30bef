import type { Fact } from '../../src/lifecycle/facts.ts';
import { Boundary } from '../../src/supervisor/run/boundary.ts';
import type { Happening } from '../../src/supervisor/run/engine.ts';
import { Generations } from '../../src/supervisor/run/generations.ts';
import type { Prepared } from '../../src/supervisor/run/prepare.ts';
import { PreparedReleases } from '../../src/supervisor/run/prepared-releases.ts';
import { settingsOf } from '../../src/supervisor/run/settings.ts';
import { OutputFiles } from '../../src/workers/output/output-files.ts';
import { OutputLog } from '../../src/workers/output/output-log.ts';
import { ProcessTable } from '../../src/workers/processes/process-table.ts';
import { FakeFiles } from './fake-files.ts';
import { FakeKernel, type FakeKernelOptions } from './fake-kernel.ts';
import { FakeListeners } from './fake-listeners.ts';
import { configOf, PATH, preparedOf } from './fake-prepared.ts';
import { nowhere } from './fake-sink.ts';
import { FakeTimers } from './fake-timers.ts';
import { Network } from './network.ts';
import { Random } from './random.ts';

/** The real generations, processes and gates of the shell over a fake kernel, fake listeners and a fake clock. */
export class FakeShell {
  readonly kernel: FakeKernel;
  readonly timers = new FakeTimers();
  readonly network = new Network(new Random(1), this.timers);
  readonly listeners = new FakeListeners(this.network);
  readonly table: ProcessTable;
  readonly files = new FakeFiles(new Random(1));
  readonly releases = new PreparedReleases(this.files);
  readonly generations: Generations;
  readonly posted: Happening[] = [];
  readonly reported: Fact[] = [];

  constructor(options: FakeKernelOptions = {}) {
    this.kernel = new FakeKernel(options);
    this.table = new ProcessTable(this.kernel, undefined, () => this.timers.now);
    const sink = nowhere();
    const context = {
      runtimeDirectory: '/run/zero/simulated',
      kernel: this.kernel,
      boundary: new Boundary((fact) => this.reported.push(fact)),
      table: this.table,
      stdout: sink,
      stderr: sink,
      output: new OutputLog(),
      files: new OutputFiles({ instance: 'simulated', onDropped: () => {}, onFailed: () => {} }),
      timers: this.timers,
      now: () => this.timers.now,
      turns: { now: () => this.timers.now, defer: (run: () => void) => this.kernel.defer(run) },
      runCommand: () => () => Promise.resolve({ kind: 'exited', code: 0 } as const),
      listeners: this.listeners,
      post: (happening: Happening) => this.posted.push(happening),
      batch: (run: () => void) => run(),
      report: (fact: Fact) => this.reported.push(fact),
    };
    this.generations = new Generations(context, this.releases);
    this.table.start();
  }

  /** Adds a generation. `service` is the service section of its config, in YAML. */
  add(generation: number, service: string): Prepared {
    const config = configOf(service);
    const acquired = this.listeners.acquire(config.service.listeners);
    const settings = settingsOf(config, { path: PATH, directory: '/' });
    const prepared = preparedOf(config, settings, acquired, this.files.inode);
    this.releases.settle(generation, prepared);
    this.releases.adopt(generation, generation);
    this.generations.add(generation);
    this.files.adopted(generation);
    return prepared;
  }

  /** A process starts accepting from this lane. */
  accept(lane: number): void {
    this.network.begin({
      generation: 1,
      worker: 0,
      incarnation: 0,
      lane,
      rescue: false,
      pid: 1,
      alive: true,
      accepting: true,
      hung: false,
      open: new Set(),
      probed: () => {},
    });
  }

  /** The posted events of one type, in order. */
  all<Type extends Happening['type']>(type: Type): Extract<Happening, { type: Type }>[] {
    return this.posted.filter((one): one is Extract<Happening, { type: Type }> => one.type === type);
  }
}
