import assert from 'node:assert/strict';
import type { Reload, WorkerKey } from '../../src/lifecycle/events.ts';
import type { ExitStatus, Fact } from '../../src/lifecycle/facts.ts';
import type { RunHook } from '../../src/lifecycle/hook.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import { generationOf, type State, workerOf } from '../../src/lifecycle/state.ts';
import { nextDeadline, step as realStep } from '../../src/lifecycle/step.ts';
import { Boundary, guardedTimers } from '../../src/supervisor/boundary.ts';
import { writeFailure } from '../../src/supervisor/effect-failure.ts';
import type { Happening } from '../../src/supervisor/engine.ts';
import { guardedKernel } from '../../src/supervisor/guarded-kernel.ts';
import { PreparedReleases } from '../../src/supervisor/prepared-releases.ts';
import { Runner } from '../../src/supervisor/runner.ts';
import { OutputFiles } from '../../src/workers/output-files.ts';
import { OutputLog } from '../../src/workers/output-log.ts';
import { ProcessTable } from '../../src/workers/process-table.ts';
import { Books, nameOf, type Step } from './books.ts';
import { type Behaviour, drawBehaviour, drawSettings } from './draw.ts';
import { FakeConnections } from './fake-connections.ts';
import { FakeFiles } from './fake-files.ts';
import { FakeHooks } from './fake-hooks.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeListeners } from './fake-listeners.ts';
import { fakeMemory } from './fake-memory.ts';
import { fakePrepare } from './fake-prepare.ts';
import type { FakeProcess } from './fake-process.ts';
import { FakeService, placeOf } from './fake-service.ts';
import { nowhere } from './fake-sink.ts';
import { FakeTimers } from './fake-timers.ts';
import { FakeVerify } from './fake-verify.ts';
import { Faults } from './faults.ts';
import { Network } from './network.ts';
import { Random } from './random.ts';

export type Core = typeof realStep;

/** What is not drawn from the seed. */
export interface Scenario {
  /** Called before the effects of a step are performed. */
  readonly observe: (step: Step) => void;
  readonly faults: Faults;
  readonly settings: Settings;
  readonly behaviour: Behaviour;
}

/** Another supervisor than the real one. */
export interface Mutation {
  readonly step?: Core;
  readonly releases?: typeof PreparedReleases;
  readonly boundary?: new (report: (fact: Extract<Fact, { event: 'error' }>) => void) => Boundary;
}

type Check = (world: World, step: Step) => void;

/** Something to notice is left for later this often, by at most so many milliseconds. */
const LATE = 0.1;
const LATENESS = 20;

/** A promise of the shell is settled after fewer turns of the microtask queue. */
const MICROTASKS = 12;

/**
 * The real supervisor, from its core to its worker processes, on a machine in memory. The world invents services,
 * clients and faults, chooses the order of everything that may come in any order, and keeps its own books.
 */
export class World {
  readonly random: Random;
  /** For hooks and rollbacks. */
  readonly extras: Random;
  /** For replacements of workers and other numbers of workers. */
  readonly changes: Random;
  /** For labels of releases. */
  readonly names: Random;
  readonly faults: Faults;
  readonly timers = new FakeTimers();
  readonly kernel: FakeKernel;
  readonly network: Network;
  readonly listeners: FakeListeners;
  readonly hooks: FakeHooks;
  readonly files: FakeFiles;
  readonly books = new Books();
  /** Every worker there ever was. */
  readonly services: FakeService[] = [];
  readonly behaviours = new Map<number, Behaviour>();
  exit: ExitStatus | null = null;
  /** The promise that was broken first. */
  violation: unknown = null;
  readonly #check: Check;
  readonly #runner: Runner;
  /** Of the workers that were started: the pid of a main process is the number of its session. */
  readonly #sessions = new Set<number>();
  readonly #table: ProcessTable;
  #last: Step | null = null;
  #microtasks = 0;

  constructor(
    seed: number,
    check: Check,
    {
      step = realStep,
      boundary: AnyBoundary = Boundary,
      releases: AnyReleases = PreparedReleases,
    }: Mutation = {},
    scenario: Scenario | null = null,
  ) {
    this.random = new Random(seed);
    this.extras = new Random(seed + 1_000_000_000);
    this.changes = new Random(seed + 4_000_000_000);
    this.names = new Random(seed + 5_000_000_000);
    this.faults = scenario?.faults ?? new Faults(new Random(seed + 2_000_000_000));
    this.#check = check;
    const { random, extras, changes, faults, timers } = this;
    const violated = (message: string) => this.#violate(new Error(message));
    const wake = () => {
      this.#microtasks = MICROTASKS;
    };
    this.network = new Network(random, timers);
    this.listeners = new FakeListeners(this.network, faults);
    this.kernel = new FakeKernel({
      refuse: (call, subject) => faults.refuse(call, subject),
      maxPid: faults.random.pick([40, 4_000_000]),
      onSpawn: (process) => this.#start(process),
      // A start that failed can leave a process behind that zero could not kill: no worker stands for it.
      onMadeBlocking: ({ pid, session }) => {
        if (this.#sessions.has(session))
          violated(`O_NONBLOCK was cleared on a socket that process ${pid} has`);
      },
    });
    this.files = new FakeFiles(new Random(seed + 3_000_000_000));
    this.hooks = new FakeHooks({
      random: extras,
      timers,
      post: (happening) => this.post(happening),
      violated,
    });
    const soundness = faults.random.pick([0.1, 0.3, 0.6]);
    const boundary = new AnyBoundary((fact) => this.#report(fact));
    const kernel = guardedKernel(this.kernel, boundary);
    this.#table = new ProcessTable(kernel);
    const verify = new FakeVerify({
      random,
      timers,
      wake,
      isAlive: ({ ZERO_PID }) => this.services.some(({ pid, isIll }) => `${pid}` === ZERO_PID && !isIll),
      behaviours: this.behaviours,
    });
    this.#runner = new Runner({
      kernel,
      boundary,
      timers: guardedTimers(timers, boundary),
      now: () => timers.now,
      table: this.#table,
      listeners: this.listeners,
      connections: new FakeConnections({ faults, wake, busy: (key) => this.find(key)?.open.size ?? 0 }),
      memory: fakeMemory({ faults, wake, services: this.services }),
      runCommand: () => (request) => verify.run(request),
      runtimeDirectory: '/run/zero/simulated',
      stdout: nowhere(),
      stderr: nowhere(),
      output: new OutputLog(),
      files: new OutputFiles({ instance: 'simulated', onDropped: () => {}, onFailed: () => {} }),
      firstGeneration: 1,
      firstHandover: 1,
      releases: new AnyReleases(this.files),
      prepare: () => {
        // Nothing serves when the first start fails.
        const failing = scenario ? 0 : this.state.generations.length === 0 ? 0.03 : 0.15;
        const settings = () => scenario?.settings ?? drawSettings(random, extras, changes);
        const { listeners, files } = this;
        return fakePrepare({ random, faults, timers, listeners, files, wake, failing, settings });
      },
      report: (fact) => {
        faults.raise('report');
        this.#report(fact);
      },
      adopted: (_handover, generation) => {
        const drawn = scenario?.behaviour ?? drawBehaviour(random, faults.random, changes, soundness);
        this.behaviours.set(generation, drawn);
        this.files.adopted(generation);
        this.#findLabel(generation);
        verify.watch(generation);
        faults.check('adopted', `generation ${generation}`);
      },
      promoted: (generation) => {
        this.files.promoted(generation);
        faults.check('promoted', `generation ${generation}`);
      },
      inspectLanes: () => faults.check('inspectLanes', 'listeners'),
      runHook: (hook) => this.#runHook(hook),
      killHook: (hook) => this.hooks.kill(hook),
      keepSockets: () => {},
      write: () => faults.check('writeState', 'state.json'),
      scaled: (ticket, result) => {
        if (this.books.scaled.has(ticket)) violated(`scale request ${ticket} is answered once`);
        this.books.scaled.set(ticket, result);
      },
      answer: (_ticket, refusal) => void this.books.answers.push(refusal ?? 'done'),
      accepted: () => {},
      concluded: () => {},
      verdict: (tickets, verdict) => {
        for (const ticket of tickets) {
          if (this.books.verdicts.has(ticket)) violated(`ticket ${ticket} is answered once`);
          this.books.verdicts.set(ticket, verdict);
        }
      },
      exit: (exit) => {
        this.exit = exit;
      },
      settled: (state) => this.#settled(state),
      behaviour: (state, event) => {
        this.#checkLast();
        const result = step(state, event);
        if (event.type === 'spawned') this.#sessions.add(event.pid);
        this.#last = { at: timers.now, before: state, event, effects: result.effects };
        this.books.observe(this.#last);
        scenario?.observe(this.#last);
        return result;
      },
    });
    this.#table.start();
  }

  get clock(): number {
    return this.timers.now;
  }

  get state(): State {
    return this.#runner.engine.state;
  }

  /** Tells the core that something happened. */
  post(happening: Happening): void {
    this.#runner.engine.post(happening);
  }

  after(delay: number, run: () => void): void {
    this.timers.set(delay, run);
  }

  /** Somebody wants a handover. */
  request(
    by: string,
    options: Partial<Pick<Reload, 'preview' | 'replace' | 'timeout' | 'rollback' | 'label'>> = {},
  ): void {
    const { books } = this;
    const ticket = `t${books.tickets.length}`;
    books.tickets.push(ticket);
    const { preview = false, replace = false, timeout = null, rollback = null, label = null } = options;
    this.post({ type: 'reload', by, ticket, preview, replace, timeout, rollback, label });
  }

  /** Somebody wants another number of workers. */
  scale(workers: number, timeout: number | null): void {
    const { books, clock } = this;
    const ticket = `s${books.scales.size}`;
    books.scales.set(ticket, timeout === null ? null : clock + timeout);
    this.post({ type: 'scale', by: 'operator', ticket, workers, timeout });
  }

  /**
   * Runs until nothing can happen any more, the time is over, or the limit of steps is reached. Throws the promise that
   * was broken.
   */
  async run(limit: number, until = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.exit === null && this.books.steps < limit) {
      const proceeds = this.#turn(until);
      for (; this.#microtasks > 0; this.#microtasks -= 1) await null;
      if (this.violation !== null) throw this.violation;
      if (!proceeds) return;
    }
  }

  /** Ends the supervisor's watches, as its end does. */
  close(): void {
    this.#runner.close();
    this.#table.close();
  }

  /** The worker that an event or effect speaks of. */
  find(key: WorkerKey): FakeService | undefined {
    const { generation, worker, incarnation } = key;
    return this.services.findLast(
      (one) => one.generation === generation && one.worker === worker && one.incarnation === incarnation,
    );
  }

  /** The generation that serves now. */
  serving(): number | null {
    const incumbent = generationOf(this.state, this.state.incumbent);
    return incumbent?.stage.name === 'serving' ? incumbent.id : null;
  }

  /** One thing happens. Returns false when nothing does before `until`. */
  #turn(until: number): boolean {
    const { timers, random, faults } = this;
    const notices = [...this.kernel.notices(), ...this.listeners.notices()];
    const [first, ...others] = notices;
    try {
      if (first && !random.chance(LATE)) {
        random.pick([first, ...others]).run();
        return true;
      }
      for (const { kind } of notices) faults.count(`late ${kind}`);
      const end = first ? Math.min(until, timers.now + random.between(1, LATENESS)) : until;
      if (timers.next <= end && timers.next !== Number.POSITIVE_INFINITY) timers.runNext();
      else if (first) timers.now = Math.max(timers.now, end);
      else {
        // Time passes also when nothing happens.
        if (until !== Number.POSITIVE_INFINITY) timers.now = Math.max(timers.now, until);
        return false;
      }
    } catch (error) {
      this.#violate(new Error(`an exception escaped the supervisor: ${error}`, { cause: error }));
    }
    return true;
  }

  #start(process: FakeProcess): void {
    const place = placeOf(process);
    const behaviour = this.behaviours.get(place.generation);
    assert.ok(behaviour, 'a process of a generation that was adopted');
    this.books.executed.push({
      ...place,
      executable: process.request?.argv.at(-1) ?? '',
      expected: this.files.expected(place.generation),
      joins: workerOf(this.state, place)?.worker.membership === 'joining',
      isRelease: this.files.hasRelease(place.generation),
    });
    const { kernel, network, timers, random, changes } = this;
    const violated = (message: string) => this.#violate(new Error(message));
    const relief = this.books.reliefs.has(nameOf(place));
    const service = new FakeService(process, behaviour, relief, {
      kernel,
      network,
      timers,
      random,
      changes,
      violated,
    });
    this.services.push(service);
    if (!behaviour.ownSocket) return;
    const holder = { pid: process.pid, command: process.comm };
    this.listeners.foreign = [
      ...this.listeners.foreign,
      { listener: 'a', inode: process.pid, uid: 0, holder },
    ];
  }

  /** A name of the release is found some time later, in most cases. */
  #findLabel(generation: number): void {
    if (this.names.chance(0.3)) return;
    const found = { generation, label: this.names.pick(['v1', 'v2']), from: 'git' } as const;
    this.after(this.names.pick([0, 10, 5_000]), () => this.post({ type: 'labelled', ...found }));
  }

  #runHook(hook: RunHook): void {
    this.faults.check('runHook', `hook ${hook.name}`);
    const { of, name } = hook;
    const settings =
      'handover' in of ? this.books.prepared.get(of.handover) : this.books.settings.get(of.generation);
    const timeouts = {
      before_reload: settings?.hooks.beforeReload,
      after_promote: settings?.hooks.afterPromote,
      after_rollback: settings?.hooks.afterRollback,
      on_replace: settings?.hooks.onReplace,
    };
    this.hooks.run(hook, timeouts[name] ?? null);
  }

  #report(fact: Fact): void {
    this.books.facts.push(fact);
  }

  /** Writes the state, as the supervisor does after each batch of events. */
  #settled(state: State): void {
    this.#checkLast();
    const deadline = nextDeadline(state);
    if (deadline <= this.clock) this.#violate(new Error('a deadline that has passed would tick for ever'));
    try {
      if (state.storage.state === null) this.faults.check('writeState', 'state.json');
    } catch (error) {
      const failure = writeFailure('write state', 'state.json', error);
      this.post({ type: 'write_failed', file: 'state', failure });
    }
    this.faults.raise('settled');
  }

  /** Checks the last step when everything that it asked for was performed. */
  #checkLast(): void {
    const step = this.#last;
    this.#last = null;
    if (step === null || this.violation !== null) return;
    try {
      this.#check(this, step);
    } catch (error) {
      this.#violate(error);
    }
  }

  #violate(error: unknown): void {
    this.violation ??= error;
  }
}
