import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event, WorkerKey } from '../../src/lifecycle/events.ts';
import type { ExitStatus } from '../../src/lifecycle/facts.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import { initialState, type State, type Verdict } from '../../src/lifecycle/state.ts';
import { nextDeadline, step as realStep } from '../../src/lifecycle/step.ts';
import { Random } from './random.ts';

type Scheduled = { at: number; order: number; make: () => Event | null };
export type Step = typeof realStep;
type Invariants = (world: World, before: State, event: Event, effects: readonly Effect[]) => void;

/** What the world knows of a process, independently of what the core believes. */
export interface Process extends WorkerKey {
  readonly pid: number;
  readonly since: number;
  readonly behaviour: Behaviour;
  alive: boolean;
  passed: Set<string>;
  signalled: boolean;
  killed: boolean;
}

/** How the processes of one generation behave, drawn when it is made. */
interface Behaviour {
  /** Milliseconds until it crashes by itself; Infinity for never. */
  readonly crashAfter: number;
  readonly exit: ExitStatus;
  /** Milliseconds until each gate passes; Infinity for never. */
  readonly gateAfter: number;
  readonly gateFails: boolean;
  readonly ignoresSignal: boolean;
  readonly leftovers: number;
}

/** A machine on which the core runs: it performs the effects, invents what goes wrong, and keeps its own books. */
export class World {
  readonly random: Random;
  readonly processes: Process[] = [];
  readonly verdicts = new Map<string, Verdict>();
  readonly settings = new Map<number, Settings>();
  readonly log: string[] = [];
  state: State = initialState(0);
  clock = 0;
  steps = 0;
  exit: ExitStatus | null = null;
  /** Handovers whose listeners are bound but belong to no generation yet. */
  readonly prepared = new Set<number>();
  /** Generations that hold the listening sockets. */
  readonly holding = new Set<number>();
  readonly tickets: string[] = [];
  private readonly preparedSettings = new Map<number, Settings>();
  private readonly behaviours = new Map<number, Behaviour>();
  private agenda: Scheduled[] = [];
  private order = 0;
  private nextPid = 100;
  private readonly invariants: Invariants;
  private readonly step: Step;

  constructor(seed: number, invariants: Invariants, step: Step = realStep) {
    this.invariants = invariants;
    this.step = step;
    this.random = new Random(seed);
  }

  /** Lets `make` produce an event in `delay` ms; null when it no longer applies by then. */
  schedule(delay: number, make: () => Event | null): void {
    if (delay !== Number.POSITIVE_INFINITY)
      this.agenda.push({ at: this.clock + delay, order: this.order++, make });
  }

  request(by = 'signal'): void {
    this.schedule(0, () => {
      const ticket = `t${this.tickets.length}`;
      this.tickets.push(ticket);
      return { type: 'reload', by, ticket, at: this.clock };
    });
  }

  /** Runs until nothing can happen any more, or the limit of steps is reached. */
  run(limit: number): void {
    while (this.exit === null && this.steps < limit) {
      this.agenda.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.agenda[0];
      const deadline = nextDeadline(this.state);
      if (!next && deadline === Number.POSITIVE_INFINITY) return;
      if (next && next.at <= deadline) {
        this.agenda.shift();
        this.clock = next.at;
        const event = next.make();
        if (event) this.happen(event);
      } else {
        this.clock = deadline;
        this.happen({ type: 'tick', at: this.clock });
      }
    }
  }

  private happen(event: Event): void {
    const before = this.state;
    const { state, effects } = this.step(before, event);
    this.steps += 1;
    this.log.push(`${this.clock} ${JSON.stringify(event)}`);
    this.state = state;
    for (const effect of effects) this.perform(effect);
    this.invariants(this, before, event, effects);
    assert.ok(nextDeadline(state) > this.clock, 'a deadline that has passed would tick for ever');
  }

  private perform(effect: Effect): void {
    const { random } = this;
    switch (effect.type) {
      case 'resolve': {
        const { handover } = effect;
        this.schedule(random.between(0, 5), () => {
          if (random.chance(0.15)) {
            return {
              type: 'resolve_failed',
              handover,
              failure: { step: 'config', reason: 'bad' },
              at: this.clock,
            };
          }
          const settings = this.drawSettings();
          this.prepared.add(handover);
          this.preparedSettings.set(handover, settings);
          return { type: 'resolved', handover, settings, at: this.clock };
        });
        return;
      }
      case 'adopt': {
        assert.ok(this.prepared.delete(effect.handover), 'adopts what was prepared');
        assert.ok(!this.settings.has(effect.generation), 'a generation number is never used again');
        const settings = this.preparedSettings.get(effect.handover);
        assert.ok(settings);
        this.settings.set(effect.generation, settings);
        this.behaviours.set(effect.generation, this.drawBehaviour());
        this.holding.add(effect.generation);
        return;
      }
      case 'discard':
        this.prepared.delete(effect.handover);
        return;
      case 'spawn':
        this.spawn(effect);
        return;
      case 'signal': {
        const process = this.find(effect);
        assert.ok(process && !process.signalled, 'a worker gets its shutdown signal once');
        process.signalled = true;
        if (!process.behaviour.ignoresSignal)
          this.leave(process, random.between(0, 3_000), { kind: 'exited', code: 0 });
        return;
      }
      case 'kill': {
        const process = this.find(effect);
        assert.ok(process && !process.killed, 'SIGKILL is sent once');
        process.killed = true;
        this.leave(process, random.between(0, 20), {
          kind: 'signaled',
          signal: 'SIGKILL',
          coreDumped: false,
        });
        return;
      }
      case 'release':
        assert.ok(this.holding.delete(effect.generation), 'a generation lets go once');
        return;
      case 'verdict':
        for (const ticket of effect.tickets) {
          assert.ok(!this.verdicts.has(ticket), `ticket ${ticket} is answered once`);
          this.verdicts.set(ticket, effect.verdict);
        }
        return;
      case 'exit':
        this.exit = effect.exit;
        return;
      case 'listen_again':
      case 'promoted':
      case 'kill_leftovers':
      case 'report':
        return;
    }
  }

  private spawn(key: WorkerKey): void {
    const { random } = this;
    const { generation, worker, incarnation } = key;
    if (random.chance(0.04)) {
      const failure = { step: 'spawn', reason: 'EAGAIN' };
      this.schedule(0, () => ({
        type: 'spawn_failed',
        generation,
        worker,
        incarnation,
        failure,
        at: this.clock,
      }));
      return;
    }
    const behaviour = this.behaviours.get(generation);
    assert.ok(behaviour);
    const pid = this.nextPid++;
    const process: Process = {
      generation,
      worker,
      incarnation,
      pid,
      since: this.clock,
      behaviour,
      alive: true,
      passed: new Set(),
      signalled: false,
      killed: false,
    };
    this.processes.push(process);
    this.schedule(0, () => ({ type: 'spawned', generation, worker, incarnation, pid, at: this.clock }));
    for (const gate of this.settings.get(generation)?.gates ?? []) {
      this.schedule(behaviour.gateAfter + random.between(0, 50), () => {
        if (!process.alive) return null;
        if (behaviour.gateFails)
          return { type: 'gate_failed', generation, worker, incarnation, gate, reason: 'no', at: this.clock };
        process.passed.add(gate);
        return { type: 'gate_passed', generation, worker, incarnation, gate, at: this.clock };
      });
    }
    this.leave(
      process,
      behaviour.crashAfter === 0 ? 0 : behaviour.crashAfter + random.between(0, 100),
      behaviour.exit,
    );
  }

  private leave(process: Process, delay: number, exit: ExitStatus): void {
    const { generation, worker, incarnation, behaviour } = process;
    this.schedule(delay, () => {
      if (!process.alive) return null;
      process.alive = false;
      if (behaviour.leftovers > 0 && this.random.chance(0.5)) {
        this.schedule(this.random.between(0, 1_500), () => ({
          type: 'leftovers_gone',
          generation,
          worker,
          incarnation,
          at: this.clock,
        }));
      }
      return {
        type: 'exited',
        generation,
        worker,
        incarnation,
        exit,
        usage: null,
        leftovers: behaviour.leftovers,
        output: [],
        explained: null,
        at: this.clock,
      };
    });
  }

  /** The process that an event or effect speaks of. */
  find(key: WorkerKey): Process | undefined {
    return this.processes.find(
      (process) =>
        process.generation === key.generation &&
        process.worker === key.worker &&
        process.incarnation === key.incarnation,
    );
  }

  private drawSettings(): Settings {
    const { random } = this;
    return {
      path: '/bin/service',
      directory: '/',
      workers: random.pick([1, 1, 1, 2, 4]),
      gates: random.pick<string[]>([[], ['notify'], ['http', 'notify']]),
      reloadUptime: random.pick([0, 100, 1_000]),
      readinessTimeout: random.pick([200, 5_000, 60_000]),
      shutdownSignal: 'SIGTERM',
      shutdownTimeout: random.pick([0, 500, 30_000]),
      restart: {
        policy: random.pick(['always', 'always', 'on-failure', 'never']),
        initial: 100,
        factor: 2,
        max: 30_000,
        resetAfter: 60_000,
      },
    };
  }

  private drawBehaviour(): Behaviour {
    const { random } = this;
    const code = random.pick([0, 1, 3]);
    return {
      crashAfter: random.pick([
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        0,
        50,
        800,
        70_000,
      ]),
      exit: random.chance(0.3)
        ? { kind: 'signaled', signal: 'SIGSEGV', coreDumped: false }
        : { kind: 'exited', code },
      gateAfter: random.pick([0, 10, 300, 4_000, Number.POSITIVE_INFINITY]),
      gateFails: random.chance(0.08),
      // A service that ignores its signal under `shutdown_timeout: 0` is the one wait without an end that SPEC allows.
      ignoresSignal: random.chance(0.15),
      leftovers: random.chance(0.1) ? 2 : 0,
    };
  }
}
