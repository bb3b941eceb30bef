import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event, Reload, WorkerKey } from '../../src/lifecycle/events.ts';
import type { ExitStatus } from '../../src/lifecycle/facts.ts';
import type { RunHook } from '../../src/lifecycle/hook.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import { generationOf, initialState, type State } from '../../src/lifecycle/state.ts';
import { nextDeadline, step as realStep } from '../../src/lifecycle/step.ts';
import type { Verdict } from '../../src/lifecycle/verdicts.ts';
import { type Behaviour, drawBehaviour, drawSettings } from './draw.ts';
import { type Acceptor, Network } from './network.ts';
import { Random } from './random.ts';

const SIGKILL: ExitStatus = { kind: 'signaled', signal: 'SIGKILL', coreDumped: false };

type Scheduled = { at: number; order: number; make: () => Event | null };
export type Step = typeof realStep;
type Invariants = (world: World, before: State, event: Event, effects: readonly Effect[]) => void;

/** How many of the last steps are told when one fails. */
const TOLD = 40;

const FAULTY: readonly Effect['type'][] = [
  'steer',
  'signal',
  'kill',
  'kill_leftovers',
  'attend',
  'listen_again',
  'drain',
  'watch_stalls',
];

/** What the world knows of a process, independently of what the core believes. */
export interface Process extends Acceptor {
  readonly pid: number;
  readonly since: number;
  readonly behaviour: Behaviour;
  passed: Set<string>;
  /** Since when it is known that it drains by itself; null where it did not say so. */
  drainsSince: number | null;
  /** Somebody tried to send its shutdown signal. */
  asked: boolean;
  signalled: boolean;
  killed: boolean;
}

/** The process of a hook: it leaves by itself, on SIGKILL, or, in state D, never. */
interface RunningHook {
  readonly since: number;
  readonly timeout: number;
  readonly stuck: boolean;
  killed: boolean;
}

/** A machine on which the core runs: it performs the effects, invents what goes wrong, and keeps its own books. */
export class World {
  readonly random: Random;
  /** For hooks and rollbacks. */
  readonly extras: Random;
  /** For refused effects. */
  readonly faults: Random;
  readonly faultiness: number;
  readonly failed: Effect[] = [];
  readonly refused = new Set<string>();
  attendRefused = false;
  private readonly answersDue: Event[] = [];
  readonly network: Network;
  readonly processes: Process[] = [];
  readonly verdicts = new Map<string, Verdict>();
  readonly settings = new Map<number, Settings>();
  readonly behaviours = new Map<number, Behaviour>();
  state: State = initialState(0);
  clock = 0;
  steps = 0;
  exit: ExitStatus | null = null;
  /** Handovers whose listeners are bound but belong to no generation yet. */
  readonly prepared = new Map<number, Settings>();
  /** Generations that hold the listening sockets. */
  readonly holding = new Set<number>();
  readonly tickets: string[] = [];
  readonly answers: string[] = [];
  /** Processes that a report was asked for, and that are watched for hanging. */
  drained: readonly WorkerKey[] = [];
  watched: readonly WorkerKey[] = [];
  verified: number | null = null;
  private readonly history: { at: number; event: Event; effects: readonly Effect[] }[] = [];
  /** Hooks whose process is there. */
  readonly hooks = new Map<number, RunningHook>();
  /** Handovers whose hook has let them go on. */
  readonly allowed = new Set<number>();
  /** Names of the hooks that were started. */
  readonly hooked: string[] = [];
  private agenda: Scheduled[] = [];
  private order = 0;
  private deadline = Number.POSITIVE_INFINITY;
  private nextPid = 100;
  private polling = false;
  private readonly stuckSince = new Map<Process, number>();
  private readonly invariants: Invariants;
  private readonly step: Step;

  constructor(seed: number, invariants: Invariants, step: Step = realStep) {
    this.random = new Random(seed);
    this.extras = new Random(seed + 1_000_000_000);
    this.faults = new Random(seed + 2_000_000_000);
    this.faultiness = this.faults.pick([0, 0, 0.05, 0.3]);
    this.invariants = invariants;
    this.step = step;
    this.network = new Network(this.random, {
      now: () => this.clock,
      after: (delay, run) =>
        this.schedule(delay, () => {
          run();
          return null;
        }),
      queued: (lane) => this.schedule(0, () => this.laneQueued(lane)),
      empty: (lane) => this.schedule(0, () => ({ type: 'lane_empty', lane, at: this.clock })),
    });
  }

  /** Lets `make` produce an event in `delay` ms; null when it no longer applies by then. */
  schedule(delay: number, make: () => Event | null): void {
    if (delay !== Number.POSITIVE_INFINITY)
      this.agenda.push({ at: this.clock + delay, order: this.order++, make });
  }

  /** Somebody wants a handover. */
  request(
    by: string,
    options: Partial<Pick<Reload, 'preview' | 'replace' | 'timeout' | 'rollback'>> = {},
  ): Event {
    const ticket = `t${this.tickets.length}`;
    this.tickets.push(ticket);
    const { preview = false, replace = false, timeout = null, rollback = null } = options;
    return { type: 'reload', by, ticket, preview, replace, timeout, rollback, at: this.clock };
  }

  /** Runs until nothing can happen any more, the time is over, or the limit of steps is reached. */
  run(limit: number, until = Number.POSITIVE_INFINITY): void {
    while (this.exit === null && this.steps < limit) {
      const index = this.earliest();
      const next = this.agenda[index];
      const { deadline } = this;
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, deadline);
      if (at === Number.POSITIVE_INFINITY || at > until) return;
      this.clock = at;
      if (next && next.at <= deadline) {
        this.agenda.splice(index, 1);
        const event = next.make();
        if (event) this.happen(event);
      } else {
        this.happen({ type: 'tick', at: this.clock });
      }
    }
  }

  /** The last steps, for the message of a failure. */
  tell(): string {
    const line = ({ at, event, effects }: (typeof this.history)[number]) =>
      `${at} ${JSON.stringify(event)} -> ${effects.map(brief).join(' ')}`;
    return this.history.map(line).join('\n');
  }

  private earliest(): number {
    let best = -1;
    for (const [index, one] of this.agenda.entries()) {
      const other = this.agenda[best];
      if (!other || one.at < other.at || (one.at === other.at && one.order < other.order)) best = index;
    }
    return best;
  }

  /** One event, and every answer that its effects get at once, as the engine does it. */
  happen(event: Event): void {
    this.answersDue.push(event);
    for (let next = this.answersDue.shift(); next; next = this.answersDue.shift()) this.one(next);
    this.deadline = nextDeadline(this.state);
    assert.ok(this.deadline > this.clock, 'a deadline that has passed would tick for ever');
  }

  private one(event: Event): void {
    const before = this.state;
    const { state, effects } = this.step(before, event);
    this.steps += 1;
    // Made into text only when something fails: it would take longer than the step.
    this.history.push({ at: this.clock, event, effects });
    if (this.history.length > TOLD) this.history.shift();
    this.state = state;
    for (const effect of effects) this.performAndAnswer(effect);
    this.invariants(this, before, event, effects);
  }

  private performAndAnswer(effect: Effect): void {
    const { type } = effect;
    if (
      type === 'resolve' ||
      type === 'spawn' ||
      type === 'run_hook' ||
      type === 'report' ||
      type === 'verdict' ||
      type === 'answer' ||
      type === 'exit'
    ) {
      this.perform(effect);
      return;
    }
    const at = this.clock;
    const process = type === 'signal' ? this.find(effect) : undefined;
    if (process) process.asked = true;
    const fault = FAULTY.includes(type) && this.faults.chance(this.faultiness);
    if (fault) {
      this.failed.push(effect);
      const errno = type === 'signal' || type === 'kill' ? this.faults.pick(['EPERM', 'EMFILE']) : 'ENOMEM';
      this.answersDue.push({ type: 'failed', effect, failure: { step: type, reason: errno, errno }, at });
      if (errno === 'EPERM' && 'worker' in effect)
        this.refused.add(`${effect.generation}.${effect.worker}.${effect.incarnation}`);
      if (type === 'steer') this.network.halfSteered(effect.steering);
      if (type === 'attend') this.attendRefused = true;
      return;
    }
    this.perform(effect);
    this.answersDue.push({ type: 'done', effect, at });
  }

  private perform(effect: Effect): void {
    const { random, network } = this;
    switch (effect.type) {
      case 'resolve':
        this.resolve(effect.handover);
        return;
      case 'adopt': {
        const settings = this.prepared.get(effect.handover);
        assert.ok(settings, 'adopts what was prepared');
        this.mayStart(effect.handover, settings);
        this.prepared.delete(effect.handover);
        assert.ok(!this.settings.has(effect.generation), 'a generation number is never used again');
        this.settings.set(effect.generation, settings);
        this.behaviours.set(effect.generation, drawBehaviour(random));
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
        if (process.behaviour.ignoresSignal || process.hung) return;
        // Without a graceful stop it dies at once, with everything it has accepted.
        const graceful = process.behaviour.graceful;
        process.accepting = false;
        this.leave(process, graceful ? random.between(0, 3_000) : 0, { kind: 'exited', code: 0 });
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
      case 'steer':
        network.steer(effect.steering);
        return;
      case 'attend':
        network.attend(effect.lanes);
        this.attendRefused = false;
        return;
      case 'drain':
        this.drained = effect.workers;
        this.poll();
        return;
      case 'watch_stalls':
        this.watched = effect.workers;
        this.poll();
        return;
      case 'verify':
        this.verified = effect.generation;
        if (effect.generation !== null) this.verify(effect.generation);
        return;
      case 'prepare_lanes':
        for (const lane of effect.lanes) assert.equal(network.queue(lane).length, 0, 'a lane that is quiet');
        return;
      case 'run_hook':
        this.runHook(effect);
        return;
      case 'kill_hook': {
        const hook = this.hooks.get(effect.hook);
        assert.ok(hook && !hook.killed, 'a hook that runs is killed once');
        hook.killed = true;
        if (!hook.stuck) this.endHook(effect.hook, this.extras.between(0, 20), SIGKILL);
        return;
      }
      case 'verdict':
        for (const ticket of effect.tickets) {
          assert.ok(!this.verdicts.has(ticket), `ticket ${ticket} is answered once`);
          this.verdicts.set(ticket, effect.verdict);
        }
        return;
      case 'answer':
        this.answers.push(effect.refusal ?? 'done');
        return;
      case 'exit':
        this.exit = effect.exit;
        return;
      case 'listen_again':
      case 'write':
      case 'inspect_lanes':
      case 'promoted':
      case 'kill_leftovers':
      case 'report':
        return;
    }
  }

  private resolve(handover: number): void {
    const { random } = this;
    this.schedule(random.between(0, 5), () => {
      if (random.chance(0.15)) {
        return {
          type: 'resolve_failed',
          handover,
          failure: { step: 'config', reason: 'bad' },
          at: this.clock,
        };
      }
      const settings = drawSettings(random, this.extras);
      this.prepared.set(handover, settings);
      return { type: 'resolved', handover, settings, at: this.clock };
    });
  }

  private spawn({ generation, worker, incarnation, lane, relief }: Extract<Effect, { type: 'spawn' }>): void {
    const { random, network } = this;
    if (random.chance(0.03)) {
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
    const drawn = this.behaviours.get(generation);
    assert.ok(drawn);
    const pid = this.nextPid++;
    const process: Process = {
      generation,
      worker,
      incarnation,
      lane,
      relief,
      pid,
      since: this.clock,
      behaviour: drawn,
      alive: true,
      accepting: false,
      hung: false,
      open: new Set(),
      passed: new Set(),
      drainsSince: null,
      asked: false,
      signalled: false,
      killed: false,
    };
    this.processes.push(process);
    network.acceptors.push(process);
    this.schedule(0, () => ({ type: 'spawned', generation, worker, incarnation, pid, at: this.clock }));
    if (drawn.accepts) this.after(random.between(0, 30), () => network.begin(process));
    if (random.chance(drawn.hangs)) {
      this.after(drawn.hangAfter, () => {
        process.hung = true;
      });
    }
    if (drawn.drains) {
      this.schedule(random.pick([0, 20, 5_000]), () => {
        if (!process.alive) return null;
        process.drainsSince = this.clock;
        return { type: 'drains', drains: true, generation, worker, incarnation, at: this.clock };
      });
    }
    for (const gate of this.settings.get(generation)?.gates ?? []) {
      this.schedule(drawn.gateAfter + random.between(0, 50), () => {
        if (!process.alive) return null;
        if (drawn.gateFails) {
          return { type: 'gate_failed', generation, worker, incarnation, gate, reason: 'no', at: this.clock };
        }
        process.passed.add(gate);
        return { type: 'gate_passed', generation, worker, incarnation, gate, at: this.clock };
      });
    }
    this.leave(process, drawn.crashAfter === 0 ? 0 : drawn.crashAfter + random.between(0, 100), drawn.exit);
  }

  private after(delay: number, run: () => void): void {
    this.schedule(delay, () => {
      run();
      return null;
    });
  }

  private leave(process: Process, delay: number, exit: ExitStatus): void {
    const { generation, worker, incarnation, behaviour } = process;
    this.schedule(delay, () => {
      if (!process.alive) return null;
      this.network.end(process);
      if (behaviour.leftovers > 0 && this.random.chance(0.5)) {
        this.schedule(this.random.between(0, 1_500), () => ({
          type: 'leftovers_gone',
          generation,
          worker,
          incarnation,
          at: this.clock,
        }));
      }
      const { leftovers } = behaviour;
      const rest = { exit, usage: null, leftovers, output: [], explained: null };
      return { type: 'exited', generation, worker, incarnation, ...rest, at: this.clock };
    });
  }

  private laneQueued(lane: number): Event | null {
    const { network } = this;
    if (!network.attended.has(lane) || network.queue(lane).length === 0) return null;
    return { type: 'lane_queued', lane, at: this.clock };
  }

  /** Reads what was asked for, again and again as long as it is. */
  private poll(): void {
    if (this.polling || (this.drained.length === 0 && this.watched.length === 0)) return;
    this.polling = true;
    // As the shell does: who leaves is read often, who may hang now and then.
    this.after(this.drained.length > 0 ? 100 : 1_000, () => {
      this.polling = false;
      for (const key of this.drained) this.reportDrain(key);
      for (const key of this.watched) this.reportStall(key);
      this.poll();
    });
  }

  private reportDrain(key: WorkerKey): void {
    const process = this.find(key);
    if (!process?.alive) return;
    const queued = this.network.queue(process.lane).length;
    const { generation, worker, incarnation } = key;
    const busy = process.open.size;
    this.schedule(0, () => ({
      type: 'drain_report',
      generation,
      worker,
      incarnation,
      queued,
      busy,
      at: this.clock,
    }));
  }

  private reportStall(key: WorkerKey): void {
    const process = this.find(key);
    if (!process?.alive) return;
    const stuck = process.hung && this.network.queue(process.lane).length > 0;
    if (!stuck) this.stuckSince.delete(process);
    else if (!this.stuckSince.has(process)) this.stuckSince.set(process, this.clock);
    const stall = this.settings.get(key.generation)?.handover.stall ?? 0;
    if (this.clock - (this.stuckSince.get(process) ?? this.clock) < stall || !stuck) return;
    // As the shell does: it is suspected anew.
    this.stuckSince.delete(process);
    const { generation, worker, incarnation } = key;
    this.schedule(0, () => ({ type: 'stalled', generation, worker, incarnation, at: this.clock }));
  }

  /** Nothing may be started beside a service that runs before the hook of the new config has said so. */
  private mayStart(handover: number, settings: Settings): void {
    const reload = this.state.generations.length > 1;
    if (!reload || settings.hooks.beforeReload === null) return;
    assert.ok(this.allowed.has(handover), 'started before its hook was done, or although that failed');
  }

  private runHook({ hook, name, of, handover }: RunHook): void {
    const { extras: random } = this;
    for (const [other, { killed }] of this.hooks)
      assert.ok(killed, `hook ${hook} was started while ${other} runs`);
    const settings = 'handover' in of ? this.prepared.get(of.handover) : this.settings.get(of.generation);
    const timeout =
      settings?.hooks[
        (
          {
            before_reload: 'beforeReload',
            after_promote: 'afterPromote',
            after_rollback: 'afterRollback',
          } as const
        )[name]
      ];
    assert.ok(timeout != null, 'a hook is run that the config does not have');
    this.hooked.push(name);
    const takes = random.pick([0, 50, 350, 20_000, Number.POSITIVE_INFINITY]);
    const exit: ExitStatus = { kind: 'exited', code: random.pick([0, 0, 0, 1]) };
    this.hooks.set(hook, { since: this.clock, timeout, stuck: random.chance(0.1), killed: false });
    if (random.chance(0.05)) this.endHook(hook, 0, null);
    else this.endHook(hook, takes, exit, name === 'before_reload' ? handover : null);
  }

  private endHook(hook: number, delay: number, exit: ExitStatus | null, allows: number | null = null): void {
    this.schedule(delay, () => {
      const running = this.hooks.get(hook);
      if (!running || (running.stuck && running.killed)) return null;
      this.hooks.delete(hook);
      if (allows !== null && exit?.kind === 'exited' && exit.code === 0 && !running.killed)
        this.allowed.add(allows);
      const reason = exit === null ? 'ENOENT' : null;
      return { type: 'hook_finished', hook, exit, reason, output: [], at: this.clock };
    });
  }

  private verify(generation: number): void {
    if (!this.behaviours.get(generation)?.verifyFails) return;
    this.schedule(this.random.between(0, 2_000), () =>
      this.verified === generation
        ? { type: 'verify_failed', generation, reason: '500', at: this.clock }
        : null,
    );
  }

  /** The kernel refused a signal to it for good. */
  wasRefused({ generation, worker, incarnation }: WorkerKey): boolean {
    return this.refused.has(`${generation}.${worker}.${incarnation}`);
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

  /** The generation that serves now. */
  serving(): number | null {
    const incumbent = generationOf(this.state, this.state.incumbent);
    return incumbent?.stage.name === 'serving' ? incumbent.id : null;
  }
}

function brief(effect: Effect): string {
  if (effect.type === 'run_hook') return `run_hook(${effect.hook} ${effect.name})`;
  if (effect.type === 'report') return effect.fact.event;
  if (effect.type === 'steer') return `steer(${JSON.stringify(effect.steering)})`;
  if (effect.type === 'verdict')
    return `verdict(${effect.tickets} ${effect.verdict.outcome} ${effect.verdict.generation})`;
  if (effect.type === 'attend') return `attend(${effect.lanes})`;
  return 'generation' in effect ? `${effect.type}(${effect.generation})` : effect.type;
}
