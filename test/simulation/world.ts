import assert from 'node:assert/strict';
import { eventsOf, type Reload, type WorkerKey } from '../../src/lifecycle/events.ts';
import type { ExitStatus, Fact } from '../../src/lifecycle/facts.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import { generationOf, type State, workerOf } from '../../src/lifecycle/state.ts';
import type { step as realStep } from '../../src/lifecycle/step.ts';
import type { Boundary } from '../../src/supervisor/run/boundary.ts';
import type { Happening } from '../../src/supervisor/run/engine.ts';
import type { Prepared } from '../../src/supervisor/run/prepare.ts';
import type { PreparedReleases } from '../../src/supervisor/run/prepared-releases.ts';
import { drawsAdoption } from './adoption.ts';
import { Books, nameOf, type Step } from './books.ts';
import { Crashes } from './crashes.ts';
import type { Behaviour } from './draw.ts';
import { FakeFiles } from './fake-files.ts';
import { FakeHooks } from './fake-hooks.ts';
import { FakeKeeper } from './fake-keeper.ts';
import { FakeKernel } from './fake-kernel.ts';
import { FakeListeners } from './fake-listeners.ts';
import type { FakeProcess } from './fake-process.ts';
import { FakeService, placeOf } from './fake-service.ts';
import { FakeTimers } from './fake-timers.ts';
import { Faults } from './faults.ts';
import { Life } from './life.ts';
import { Network } from './network.ts';
import { Random } from './random.ts';
import { Recovery } from './recovery.ts';

export type Core = typeof realStep;

/** Parameters that are not drawn from the seed. */
export interface Scenario {
  /** Called before the effects of a step are performed. */
  readonly observe: (step: Step) => void;
  readonly faults: Faults;
  readonly settings: Settings;
  readonly behaviour: Behaviour;
}

/** A supervisor other than the real one. */
export interface Mutation {
  readonly step?: Core;
  readonly releases?: typeof PreparedReleases;
  readonly boundary?: new (report: (fact: Extract<Fact, { event: 'error' }>) => void) => Boundary;
}

type Check = (world: World, step: Step) => void;

/** The probability that a notification is delayed, by at most this many milliseconds. */
const LATE = 0.1;
const LATENESS = 20;

/** So many delays in a row at the end of a run, where no time passes, show that the supervisor runs in circles. */
const MAX_DELAYS = 100;

/** A promise of the shell settles after fewer turns of the microtask queue. */
const MICROTASKS = 12;

/**
 * The machine of the real supervisor, in memory. The world creates services, clients and faults, chooses the order of
 * concurrent events, kills the supervisor and starts the next one, and keeps its own records.
 */
export class World {
  readonly random: Random;
  /** For hooks and rollbacks. */
  readonly extras: Random;
  /** For replacements of workers and changes of their number. */
  readonly changes: Random;
  /** For notifications. */
  readonly notices: Random;
  /** For labels of releases. */
  readonly names: Random;
  readonly faults: Faults;
  readonly scenario: Scenario | null;
  /** It begins with a running service that zero did not start, on lane 0. */
  readonly adopts: boolean;
  /** The probability of a service without a fault. */
  readonly soundness: number;
  readonly timers = new FakeTimers();
  readonly kernel: FakeKernel;
  readonly network: Network;
  readonly listeners: FakeListeners;
  readonly hooks: FakeHooks;
  readonly files: FakeFiles;
  readonly keeper: FakeKeeper;
  readonly crashes: Crashes;
  readonly books = new Books();
  /** Every worker so far. */
  readonly services: FakeService[] = [];
  readonly behaviours = new Map<number, Behaviour>();
  /** The prepared data of each generation. */
  readonly prepared = new Map<number, Prepared>();
  exit: ExitStatus | null = null;
  /** The first violated promise. */
  violation: unknown = null;
  readonly #check: Check;
  readonly #mutation: Mutation;
  /** The supervisor, also after its death until the next one starts. */
  #life: Life;
  /** It has just died, or was upgraded in place. */
  #isDying = false;
  #isUpgrade = false;
  /** Events for the next supervisor. */
  #waiting: Happening[] = [];
  /** Sessions of started workers: the pid of a main process is the number of its session. */
  readonly #sessions = new Set<number>();
  readonly #slices: Random;
  readonly #slowness: number;
  #sliceTime = 0;
  #last: Step | null = null;
  #microtasks = 0;
  #delays = 0;

  constructor(seed: number, check: Check, mutation: Mutation = {}, scenario: Scenario | null = null) {
    this.random = new Random(seed);
    this.extras = new Random(seed + 1_000_000_000);
    this.changes = new Random(seed + 4_000_000_000);
    this.notices = new Random(seed + 8_000_000_000);
    this.names = new Random(seed + 5_000_000_000);
    this.faults = scenario?.faults ?? new Faults(new Random(seed + 2_000_000_000));
    this.scenario = scenario;
    this.#check = check;
    this.#mutation = mutation;
    const { random, extras, notices, faults, timers } = this;
    const violated = (message: string) => this.violated(message);
    this.network = new Network(random, timers);
    this.listeners = new FakeListeners(this.network, faults);
    this.kernel = new FakeKernel({
      refuse: (call, subject) => faults.refuse(call, subject),
      maxPid: faults.random.pick([40, 4_000_000]),
      onSpawn: (process) => this.#start(process),
      // A failed start can leave a process that zero could not kill, and that belongs to no worker.
      onMadeBlocking: ({ pid, session }) => {
        if (this.#sessions.has(session))
          violated(`O_NONBLOCK was cleared on a socket that process ${pid} has`);
      },
    });
    this.files = new FakeFiles(new Random(seed + 3_000_000_000));
    const post = (happening: Happening) => this.post(happening);
    this.hooks = new FakeHooks({ random: extras, notices, timers, post, violated });
    this.soundness = faults.random.pick([0.1, 0.3, 0.6]);
    this.#slices = new Random(seed + 8_000_000_000);
    this.#slowness = scenario === null ? this.#slices.pick([0, 0, 0.1, 0.5]) : 0;
    this.keeper = new FakeKeeper(new Random(seed + 7_000_000_000), timers);
    this.crashes = new Crashes(new Random(seed + 6_000_000_000), scenario === null);
    for (const time of this.crashes.times) this.after(time, () => this.#killAtRest());
    this.adopts = scenario === null && drawsAdoption(seed);
    this.#life = new Life(this, mutation, null);
    this.#life.start(null, this.adopts ? seed : null);
  }

  /** The clock that cuts the work on listeners into slices, at random in half of the worlds. */
  sliceTime(): number {
    if (this.#slices.chance(this.#slowness)) this.#sliceTime += 10;
    return this.#sliceTime;
  }

  get clock(): number {
    return this.timers.now;
  }

  get state(): State {
    return this.#life.runner.engine.state;
  }

  /** Called when promises have work. */
  readonly wake = (): void => {
    this.#microtasks = MICROTASKS;
  };

  /** Posts an event to the core. It is lost while no supervisor runs. */
  post(happening: Happening): void {
    // The service manager waits for the next supervisor.
    if (happening.type === 'stop' && !this.#life.isAlive) this.#waiting.push(happening);
    else this.#life.post(happening);
  }

  after(delay: number, run: () => void): void {
    this.timers.set(delay, run);
  }

  /** An operator requests a handover. */
  request(
    by: string,
    options: Partial<Pick<Reload, 'preview' | 'replace' | 'timeout' | 'rollback' | 'label'>> = {},
  ): void {
    const { books } = this;
    if (!this.#life.isAlive) return;
    const ticket = `t${books.lastTicket++}`;
    books.tickets.push(ticket);
    const { preview = false, replace = false, timeout = null, rollback = null, label = null } = options;
    this.post({ type: 'reload', by, ticket, preview, replace, timeout, rollback, label });
  }

  /** An operator requests another number of workers. */
  scale(workers: number, timeout: number | null): void {
    const { books, clock } = this;
    if (!this.#life.isAlive) return;
    const ticket = `s${books.lastTicket++}`;
    books.scales.set(ticket, timeout === null ? null : clock + timeout);
    this.post({ type: 'scale', by: 'operator', ticket, workers, timeout });
  }

  /**
   * Runs until no event is left, the time has passed, or the limit of steps is reached. Throws the violated promise.
   */
  async run(limit: number, until = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.exit === null && this.books.steps < limit) {
      const proceeds = this.#turn(until);
      for (; this.#microtasks > 0; this.#microtasks -= 1) await null;
      if (this.violation !== null) throw this.violation;
      if (this.#isDying) this.#bury();
      if (!proceeds) return;
    }
  }

  /** Ends the supervisor's watches, as its exit does. */
  close(): void {
    this.#life.close();
  }

  /** The worker of an event or effect. */
  find(key: WorkerKey): FakeService | undefined {
    const { generation, worker, incarnation } = key;
    return this.services.findLast(
      (one) => one.generation === generation && one.worker === worker && one.incarnation === incarnation,
    );
  }

  /** The serving generation. */
  serving(): number | null {
    const incumbent = generationOf(this.state, this.state.incumbent);
    return incumbent?.stage.name === 'serving' ? incumbent.id : null;
  }

  /** A generation of a dead supervisor that had not received its prepared data. */
  adoptedLate(generation: number, prepared: Prepared): void {
    this.prepared.set(generation, prepared);
    this.#life.drawBehaviour(generation);
  }

  violated(message: string): void {
    this.#violate(new Error(message));
  }

  /** Called when the supervisor is killed. */
  died(): void {
    this.#isDying = true;
    this.#last = null;
  }

  /** Records a step of the core before its effects are performed. */
  note(step: Step): void {
    const { event } = step;
    for (const one of eventsOf(event)) if (one.type === 'spawned') this.#sessions.add(one.pid);
    this.#last = step;
    this.books.observe(step);
    this.scenario?.observe(step);
  }

  /** Only some effects of the last step are performed. */
  forgetLast(): void {
    this.#last = null;
  }

  /** Checks the last step after all its effects were performed. */
  checkLast(): void {
    const step = this.#last;
    this.#last = null;
    if (step === null || this.violation !== null) return;
    try {
      this.#check(this, step);
    } catch (error) {
      this.#violate(error);
    }
  }

  /** Runs one event. Returns false if there is none before `until`. */
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
      else if (first) {
        this.#delays = timers.now < end ? 0 : this.#delays + 1;
        if (this.#delays > MAX_DELAYS) throw new Error('a notification is not answered, and comes again');
        timers.now = Math.max(timers.now, end);
      } else {
        // Time passes also without events.
        if (until !== Number.POSITIVE_INFINITY) timers.now = Math.max(timers.now, until);
        return false;
      }
    } catch (error) {
      this.#violate(new Error(`an exception escaped the supervisor: ${error}`, { cause: error }));
    }
    return true;
  }

  /** SIGKILL, or an upgrade in place, which waits until nothing is in progress that it would lose. */
  #killAtRest(): void {
    if (!this.#life.isAlive) return;
    const { handover, pending, hooks, notifications, join, scales } = this.state;
    const isSettled = handover === null || handover.step.name === 'soak';
    const isQuiet = hooks.length === 0 && notifications.length === 0;
    const isFree = isSettled && !pending && isQuiet && !join && scales.length === 0;
    this.#isUpgrade = isFree && this.crashes.written !== null && this.crashes.isUpgrade();
    this.crashes.counts[this.#isUpgrade ? 'upgrades' : 'atRest'] += 1;
    this.#life.die();
  }

  /** The kernel closes the descriptors of the dead supervisor. Another one starts some time later. */
  #bury(): void {
    this.#isDying = false;
    const isUpgrade = this.#isUpgrade;
    this.#isUpgrade = false;
    const downtime = this.crashes.downtime(isUpgrade);
    this.kernel.crash(isUpgrade);
    this.listeners.crash();
    // Exceptions that it had not reported yet are lost.
    this.books.reasons.push(...this.faults.exceptions);
    this.after(downtime, () => this.#revive(downtime, isUpgrade));
  }

  #revive(downtime: number, isUpgrade: boolean): void {
    const { written } = this.crashes;
    const recovery = written && new Recovery(this, this.#life, written, isUpgrade);
    recovery?.allowAgain();
    this.hooks.crash(downtime);
    this.books.crash(downtime, recovery?.callers() ?? new Set(), recovery?.concluded() ?? new Set());
    const { isCalm } = this.faults;
    // A supervisor that cannot take over exits, and is restarted.
    this.faults.isCalm = true;
    this.#life = new Life(this, this.#mutation, recovery);
    this.#life.start(recovery);
    this.faults.isCalm = isCalm;
    if (recovery === null) this.request('start');
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const happening of waiting) this.post(happening);
  }

  #start(process: FakeProcess): void {
    // The kernel uses the number of a process again.
    this.#sessions.delete(process.pid);
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
    const violated = (message: string) => this.violated(message);
    const rescue = this.books.rescues.has(nameOf(place));
    const service = new FakeService(process, behaviour, rescue, {
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

  #violate(error: unknown): void {
    this.violation ??= error;
  }
}
