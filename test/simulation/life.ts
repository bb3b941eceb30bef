import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import type { Fact } from '../../src/lifecycle/facts.ts';
import type { RunHook } from '../../src/lifecycle/hook.ts';
import type { State } from '../../src/lifecycle/state.ts';
import { nextDeadline, step as realStep } from '../../src/lifecycle/step.ts';
import type { Timers } from '../../src/readiness/index.ts';
import { Boundary, guardedTimers } from '../../src/supervisor/run/boundary.ts';
import { writeFailure } from '../../src/supervisor/run/effect-failure.ts';
import type { Happening } from '../../src/supervisor/run/engine.ts';
import { guardedKernel } from '../../src/supervisor/run/guarded-kernel.ts';
import { PreparedReleases } from '../../src/supervisor/run/prepared-releases.ts';
import { Runner, type RunnerContext } from '../../src/supervisor/run/runner.ts';
import { OutputFiles } from '../../src/workers/output/output-files.ts';
import { OutputLog } from '../../src/workers/output/output-log.ts';
import { ProcessTable } from '../../src/workers/processes/process-table.ts';
import { frozen } from '../support/frozen.ts';
import { adoptFirst } from './adoption.ts';
import type { Death } from './crashes.ts';
import { drawBehaviour, drawSettings } from './draw.ts';
import { FakeConnections } from './fake-connections.ts';
import { fakeMemory } from './fake-memory.ts';
import { fakePrepare } from './fake-prepare.ts';
import { nowhere } from './fake-sink.ts';
import { FakeVerify } from './fake-verify.ts';
import type { Recovery } from './recovery.ts';
import type { Mutation, World } from './world.ts';

/** One supervisor on the machine of a world: the real one, from its core to its worker processes. */
export class Life {
  readonly runner: Runner;
  readonly releases: PreparedReleases;
  isAlive = true;
  readonly #world: World;
  readonly #step: typeof realStep;
  readonly #table: ProcessTable;
  readonly #verify: FakeVerify;
  /** It dies before its next step. */
  #isDying = false;
  /** Effects of the step in which it dies, which are never performed. */
  #neverPerformed: readonly Effect[] = [];
  #settledState: State | null = null;
  /** The version of the set of sockets, and its previous content. */
  #sockets = { version: 0, of: '' };

  constructor(world: World, mutation: Mutation, recovery: Recovery | null) {
    const {
      step = realStep,
      boundary: AnyBoundary = Boundary,
      releases: AnyReleases = PreparedReleases,
    } = mutation;
    this.#world = world;
    this.#step = step;
    const { faults, kernel, wake } = world;
    const boundary = new AnyBoundary((fact) => this.#report(fact));
    const timers: Timers = {
      set: (ms, run) => world.timers.set(ms, () => this.isAlive && run()),
      clear: (handle) => world.timers.clear(handle),
    };
    const guarded = guardedKernel(kernel, boundary);
    const batch = (run: () => void) => this.runner.engine.batch(run);
    this.#table = new ProcessTable(guarded, batch, () => world.timers.now);
    this.#verify = new FakeVerify({
      random: world.random,
      timers,
      wake,
      isAlive: ({ ZERO_PID }) => world.services.some(({ pid, isIll }) => `${pid}` === ZERO_PID && !isIll),
      behaviours: world.behaviours,
    });
    this.releases = new AnyReleases(world.files);
    this.runner = new Runner({
      ...this.#answers(),
      kernel: guarded,
      boundary,
      timers: guardedTimers(timers, boundary),
      now: () => world.timers.now,
      turns: { now: () => world.sliceTime(), defer: (run) => guarded.defer(run) },
      table: this.#table,
      listeners: world.listeners,
      connections: new FakeConnections({ faults, wake, busy: (key) => world.find(key)?.open.size ?? 0 }),
      socketsOf: async (pids) => {
        wake();
        faults.check('readConnections', 'descriptors');
        return pids.map((pid) => world.listeners.socketsOf(pid));
      },
      memory: fakeMemory({ faults, wake, services: world.services }),
      runCommand: () => (request) => this.#verify.run(request),
      runtimeDirectory: '/run/zero/simulated',
      stdout: nowhere(),
      stderr: nowhere(),
      output: new OutputLog(),
      files: new OutputFiles({ instance: 'simulated', onDropped: () => {}, onFailed: () => {} }),
      firstGeneration: 1,
      firstHandover: 1,
      ...(recovery && { initial: recovery.state }),
      releases: this.releases,
      prepare: () => this.#prepare(timers),
      inspectLanes: () => faults.check('inspectLanes', 'listeners'),
      runHook: (hook) => this.#runHook(hook),
      killHook: (hook) => world.hooks.kill(hook),
      keepSockets: (version) => world.keeper.keep(version, (happening) => this.post(happening)),
      write: () => faults.check('writeState', 'state.json'),
      before: (state, effects) => {
        if (this.isAlive) world.crashes.ahead(state, [...effects, ...this.#neverPerformed], this.runner);
      },
      settled: (state) => this.#settled(state),
      behaviour: (state, event) => this.#behave(state, event),
    });
  }

  /**
   * Continues from the written state of another supervisor, if there is one.
   * @param adopting the seed of a running service that is adopted; null: no service runs
   */
  start(recovery: Recovery | null, adopting: number | null = null): void {
    const workers = recovery?.adopt(this.runner.generations, this.releases);
    this.#table.start();
    if (adopting !== null)
      this.post(
        adoptFirst(this.#world, adopting, { generations: this.runner.generations, releases: this.releases }),
      );
    if (!recovery || !workers) return;
    this.#verify.watch(recovery.state.nextGeneration - 1);
    this.post(recovery.continued(workers));
  }

  /** Posts an event to the core. */
  post(happening: Happening): void {
    if (this.isAlive) this.runner.engine.post(happening);
  }

  /** SIGKILL: its later actions have no effect. */
  die(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#world.died();
  }

  /** Ends its watches, as the exit of the supervisor does. */
  close(): void {
    this.runner.close();
    this.#table.close();
  }

  #answers(): Pick<
    RunnerContext,
    'report' | 'adopted' | 'promoted' | 'scaled' | 'answer' | 'accepted' | 'concluded' | 'verdict' | 'exit'
  > {
    const world = this.#world;
    const { faults, books } = world;
    return {
      report: (fact) => {
        faults.raise('report');
        this.#report(fact);
      },
      adopted: (_handover, generation, prepared) => {
        world.prepared.set(generation, prepared);
        this.drawBehaviour(generation);
        this.#findLabel(generation);
        faults.check('adopted', `generation ${generation}`);
      },
      promoted: (generation) => {
        world.files.promoted(generation);
        faults.check('promoted', `generation ${generation}`);
      },
      scaled: (ticket, result) => {
        if (books.scaled.has(ticket)) world.violated(`scale request ${ticket} is answered once`);
        books.scaled.set(ticket, result);
      },
      answer: (_ticket, refusal) => void books.answers.push(refusal ?? 'done'),
      accepted: (ticket, handover) => void books.accepted.set(ticket, handover),
      concluded: (verdict) => books.conclude(verdict),
      verdict: (tickets, verdict) => {
        for (const ticket of tickets) {
          if (books.verdicts.has(ticket) && !books.unsure.has(ticket))
            world.violated(`ticket ${ticket} is answered once`);
          books.verdicts.set(ticket, verdict);
        }
      },
      exit: (exit) => {
        world.exit = exit;
      },
    };
  }

  /** Draws the behaviour of the processes of a generation at its start. */
  drawBehaviour(generation: number): void {
    const { random, faults, changes, scenario, soundness, files, behaviours } = this.#world;
    behaviours.set(
      generation,
      scenario?.behaviour ?? drawBehaviour(random, faults.random, changes, soundness),
    );
    files.adopted(generation);
    this.#verify.watch(generation);
  }

  #prepare(timers: Timers): ReturnType<RunnerContext['prepare']> {
    const { random, extras, changes, notices, faults, listeners, files, wake, scenario } = this.#world;
    // Nothing serves after a failed first start.
    const failing = scenario ? 0 : this.runner.engine.state.generations.length === 0 ? 0.03 : 0.15;
    const settings = () => scenario?.settings ?? drawSettings(random, extras, changes, notices);
    return fakePrepare({ random, faults, timers, listeners, files, wake, failing, settings });
  }

  #behave(state: State, event: Event): { state: State; effects: Effect[] } {
    const world = this.#world;
    if (this.#isDying) this.die();
    if (!this.isAlive) return { state, effects: [] };
    world.checkLast();
    const result = this.#step(frozen(state), event);
    // Without a state no supervisor would find the service.
    const death = event.type === 'adopted' ? null : world.crashes.deathIn(result.effects);
    if (death && !death.isWritten) {
      this.die();
      // The operator asks the next supervisor to stop the service.
      if (event.type === 'stop') world.post(event);
      return { state, effects: [] };
    }
    world.note({ at: world.timers.now, before: state, event, effects: result.effects });
    return death ? this.#half(result, death) : result;
  }

  /** Performs only some of the effects before it dies. */
  #half({ state, effects }: { state: State; effects: Effect[] }, { performed }: Death) {
    this.#neverPerformed = effects.slice(performed);
    // The engine writes it only if there are effects.
    this.#world.crashes.ahead(state, effects, this.runner);
    this.#world.forgetLast();
    this.#isDying = true;
    return { state, effects: effects.slice(0, performed) };
  }

  /** In most cases the label of the release is found some time later. */
  #findLabel(generation: number): void {
    const world = this.#world;
    if (world.names.chance(0.3)) return;
    const found = { generation, label: world.names.pick(['v1', 'v2']), from: 'git' } as const;
    world.after(world.names.pick([0, 10, 5_000]), () => this.post({ type: 'labelled', ...found }));
  }

  #runHook(hook: RunHook): void {
    const { faults, books, hooks } = this.#world;
    faults.check('runHook', `hook ${hook.name}`);
    const { of, name } = hook;
    const settings = 'handover' in of ? books.prepared.get(of.handover) : books.settings.get(of.generation);
    const timeouts = {
      before_reload: settings?.hooks.beforeReload,
      after_promote: settings?.hooks.afterPromote,
      after_rollback: settings?.hooks.afterRollback,
      on_replace: settings?.hooks.onReplace,
      on_crash_loop: settings?.hooks.onCrashLoop,
      on_worker_stalled: settings?.hooks.onWorkerStalled,
      on_late_rollback: settings?.hooks.onLateRollback,
      on_recovery: settings?.hooks.onRecovery,
    };
    hooks.run(hook, timeouts[name] ?? null);
  }

  #report(fact: Fact): void {
    if (this.isAlive) this.#world.books.facts.push(fact);
  }

  /** Writes the state, as the supervisor does after each batch of events. */
  #settled(state: State): void {
    const world = this.#world;
    if (this.#isDying) this.die();
    if (!this.isAlive) return;
    world.checkLast();
    // An answer without a change may arrive at the time of a deadline.
    const isNew = state !== this.#settledState;
    this.#settledState = state;
    if (isNew && nextDeadline(state) <= world.clock)
      world.violated('a deadline that has passed would tick for ever');
    world.crashes.settled(state, this.runner);
    try {
      if (state.storage.state === null) world.faults.check('writeState', 'state.json');
    } catch (error) {
      const failure = writeFailure('write state', 'state.json', error);
      this.post({ type: 'write_failed', file: 'state', failure });
    }
    this.#keepSockets(state);
    world.faults.raise('settled');
  }

  #keepSockets(state: State): void {
    if (!this.#world.keeper.isWanted) return;
    const of = `${this.#world.listeners.held} ${state.lanes.length}`;
    if (of === this.#sockets.of || state.exit !== null) return;
    this.#sockets = { version: this.#sockets.version + 1, of };
    this.post({ type: 'sockets_changed', version: this.#sockets.version });
  }
}
