import type { Turns } from '../../common/slices.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import type { State } from '../../lifecycle/state.ts';
import type { step } from '../../lifecycle/step.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import type { RunCommand, Timers } from '../../readiness/index.ts';
import type { OutputFiles } from '../../workers/output/output-files.ts';
import type { OutputLog } from '../../workers/output/output-log.ts';
import type { ProcessTable } from '../../workers/processes/process-table.ts';
import type { Sink } from '../../writing/sink.ts';
import { type ConnectionReader, DrainWatcher } from './drain-watcher.ts';
import { Engine } from './engine.ts';
import { Generations } from './generations.ts';
import { IdleCloser } from './idle-closer.ts';
import { LanePreparer } from './lane-preparer.ts';
import { LaneWatcher } from './lane-watcher.ts';
import { LivenessWatcher } from './liveness-watcher.ts';
import { type MemoryReader, MemoryWatcher } from './memory-watcher.ts';
import { Performer, type PerformerContext } from './perform.ts';
import type { Prepared } from './prepare.ts';
import { type StallContext, StallWatcher } from './stall-watcher.ts';
import { VerifyWatcher } from './verify-watcher.ts';

/**
 * The parts of the machine and of the supervisor that a running service needs. The simulation passes a machine in
 * memory.
 */
export interface RunnerContext
  extends Omit<PerformerContext, 'generations' | 'listeners' | 'watchers' | 'post' | 'turns'> {
  readonly kernel: Kernel;
  readonly listeners: Listeners;
  readonly timers: Timers;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly table: ProcessTable;
  readonly connections: ConnectionReader;
  readonly socketsOf: StallContext['socketsOf'];
  readonly memory: MemoryReader;
  /** Cuts work on every listener into slices; by the clock if omitted. */
  readonly turns?: Turns;
  readonly runCommand: (prepared: Prepared) => RunCommand;
  readonly runtimeDirectory: string;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly output: OutputLog;
  readonly files: OutputFiles;
  readonly firstGeneration: number;
  readonly firstHandover: number;
  /** Called after a batch of events; see Engine. */
  readonly settled: (state: State, happened: boolean) => void;
  /** See EngineOptions. */
  readonly initial?: State;
  readonly first?: 'adopted';
  readonly before?: (state: State, effects: readonly Effect[]) => void;
  /** The core. Tests pass another one. */
  readonly behaviour?: typeof step;
}

/** Runs a service: the core, and the parts that perform its decisions. */
export class Runner {
  readonly engine: Engine;
  readonly generations: Generations;
  readonly #watchers: PerformerContext['watchers'];
  readonly #performer: Performer;

  constructor(context: RunnerContext) {
    const { listeners, timers, now, boundary, kernel, runCommand, behaviour, initial, first, before } =
      context;
    const post: Engine['post'] = (happening) => this.engine.post(happening);
    const batch: Engine['batch'] = (run) => this.engine.batch(run);
    const turns: Turns = context.turns ?? { now, defer: (run) => kernel.defer(run) };
    const generations = new Generations({ ...context, post, batch, turns }, context.releases);
    const shared = { generations, listeners, timers, post };
    const failed = (step: string) => (error: unknown) => boundary.caught(step, error);
    const watchers = {
      lanes: new LaneWatcher(listeners, post),
      drain: new DrainWatcher({
        ...shared,
        batch,
        kernel,
        connections: context.connections,
        idle: new IdleCloser({ connections: context.connections, generations, report: context.report }),
        failed: failed('read connections'),
      }),
      stalls: new StallWatcher({
        ...shared,
        now,
        kernel,
        socketsOf: context.socketsOf,
        failed: failed('watch for hung workers'),
      }),
      memory: new MemoryWatcher({
        ...shared,
        now,
        memory: context.memory,
        failed: failed('read memory'),
      }),
      liveness: new LivenessWatcher({ ...shared, now, runCommand }),
      verify: new VerifyWatcher({ ...shared, runCommand }),
      preparer: new LanePreparer(listeners, turns),
    };
    const performer = new Performer({ ...context, generations, watchers, post, turns });
    this.#performer = performer;
    this.generations = generations;
    this.#watchers = watchers;
    this.engine = new Engine({
      now,
      timers,
      firstGeneration: context.firstGeneration,
      firstHandover: context.firstHandover,
      perform: (effect) => performer.perform(effect),
      failed: (step, error) => boundary.caught(step, error),
      settled: (state, happened) => boundary.run('record the state', () => context.settled(state, happened)),
      ...(behaviour && { behaviour }),
      ...(initial && { initial }),
      ...(first && { first }),
      ...(before && { before }),
    });
  }

  /** Ends every watch. Afterwards only posted events reach the core. */
  close(): void {
    const { lanes, drain, stalls, memory, liveness, verify, preparer } = this.#watchers;
    this.engine.close();
    this.#performer.close();
    lanes.keep([], []);
    drain.close();
    stalls.close();
    memory.keep([]);
    liveness.keep([]);
    verify.keep(null);
    preparer.close();
  }
}
