import { signalNumber } from '../../src/common/signals.ts';
import type { Behaviour } from './draw.ts';
import type { FakeKernel } from './fake-kernel.ts';
import { laneOf } from './fake-listeners.ts';
import type { FakeProcess } from './fake-process.ts';
import type { FakeExit } from './fake-processes.ts';
import type { FakeTimers } from './fake-timers.ts';
import type { Acceptor, Connection, Network } from './network.ts';
import type { Random } from './random.ts';

/** The descriptor for the readiness line of a service. */
export const READY_FD = 10;

export interface ServiceContext {
  readonly kernel: FakeKernel;
  readonly network: Network;
  readonly timers: FakeTimers;
  readonly random: Random;
  /** For reasons to replace a worker. */
  readonly changes: Random;
  /** Called for a violation that a service must never see, e.g. a second shutdown signal. */
  readonly violated: (message: string) => void;
}

/** The key of a process according to its environment. */
export interface ServicePlace {
  readonly generation: number;
  readonly worker: number;
  readonly incarnation: number;
}

/** The key with which a process was started: the last part of its NOTIFY_SOCKET. */
export function placeOf(process: FakeProcess): ServicePlace {
  const name = process.variable('NOTIFY_SOCKET')?.split('/').at(-1) ?? '';
  const [generation = -1, worker = -1, incarnation = -1] = name.split('.').map(Number);
  return { generation, worker, incarnation };
}

/**
 * A worker and its real state, independent of the supervisor's view: it accepts, reports readiness, hangs, forks,
 * crashes.
 */
export class FakeService implements Acceptor {
  readonly generation: number;
  readonly worker: number;
  readonly incarnation: number;
  readonly lane: number;
  readonly rescue: boolean;
  readonly behaviour: Behaviour;
  readonly since: number;
  /** Its main process. */
  process: FakeProcess;
  /** The pid of its spawn. */
  readonly spawnedPid: number;
  alive = true;
  accepting = false;
  /** Since when it accepts nothing; null: it accepts. */
  hungSince: number | null = null;
  /** It exceeds its memory limit. */
  leaks = false;
  /** It fails its liveness check. */
  isIll = false;
  readonly open = new Set<Connection>();
  /** Gates for which it has done its part, besides `accept`. */
  readonly passed = new Set<string>();
  /** Listeners on which it has accepted a test connection. */
  readonly accepted = new Set<string>();
  signalled = false;
  /** The supervisor died while it sent the shutdown signal. */
  mayGetSignalAgain = false;
  readonly #context: ServiceContext;

  constructor(process: FakeProcess, behaviour: Behaviour, rescue: boolean, context: ServiceContext) {
    const { generation, worker, incarnation } = placeOf(process);
    this.generation = generation;
    this.worker = worker;
    this.incarnation = incarnation;
    const fds = [...(process.request?.descriptors.values() ?? [])];
    this.lane = laneOf(Math.max(...fds));
    this.rescue = rescue;
    this.behaviour = behaviour;
    this.since = context.timers.now;
    this.process = process;
    this.spawnedPid = process.pid;
    this.#context = context;
    this.#follow(process);
    this.#plan();
  }

  get hung(): boolean {
    return this.hungSince !== null;
  }

  get pid(): number {
    return this.process.pid;
  }

  /** No signal ends it: it belongs to another user, or is in state D. */
  get isUnstoppable(): boolean {
    return this.process.isProtected || this.process.isKilled;
  }

  /** It does not accept, or starts accepting only long after its start. */
  get isIdle(): boolean {
    return this.hung || !this.behaviour.accepts || this.behaviour.acceptAfter > 1_000;
  }

  probed(listener: string): void {
    this.accepted.add(listener);
  }

  #plan(): void {
    const { behaviour } = this;
    const { random, changes, network, timers } = this.#context;
    this.process.isProtected = behaviour.protectedFrom;
    if (behaviour.accepts)
      this.#after(behaviour.acceptAfter + random.between(0, 30), () => network.begin(this));
    if (random.chance(behaviour.hangs))
      this.#after(behaviour.hangAfter, () => {
        this.hungSince ??= timers.now;
      });
    if (changes.chance(behaviour.leaks))
      this.#after(behaviour.leakAfter, () => {
        this.leaks = true;
      });
    if (changes.chance(behaviour.fallsIll))
      this.#after(behaviour.illAfter, () => {
        this.isIll = true;
      });
    if (behaviour.drains) this.#after(random.pick([0, 20, 5_000]), () => this.#notify('X_ZERO_DRAINS=1'));
    if (behaviour.speaks) this.#after(random.between(0, 5_000), () => this.process.print('hello\n'));
    this.#after(behaviour.gateAfter + random.between(0, 50), () => this.#ready());
    this.#after(behaviour.sleepAfter, () => this.#sleep());
    this.#after(behaviour.replaceAfter, () => this.#replaceMain());
    const crash = behaviour.crashAfter === 0 ? 0 : behaviour.crashAfter + random.between(0, 100);
    this.#after(crash, () => this.#exit(behaviour.exit));
  }

  /** Runs the callback later, unless the process has exited by then. */
  #after(delay: number, run: () => void): void {
    if (delay === Number.POSITIVE_INFINITY) return;
    this.#context.timers.set(delay, () => {
      if (this.alive) run();
    });
  }

  #follow(process: FakeProcess): void {
    this.process = process;
    process.onSignal = (signal) => this.#onSignal(signal);
    process.onEnd = () => {
      if (this.process === process) this.#context.network.end(this);
    };
  }

  #ready(): void {
    if (this.process.state === 'D') return;
    const pipe = this.process.pipes.get(READY_FD);
    if (pipe && this.behaviour.gateFails) {
      this.process.closePipe(READY_FD);
      return;
    }
    // It may be promoted from now on.
    this.passed.add('ready_fd').add('notify');
    pipe?.write(Buffer.from('\n'));
    this.#notify('READY=1');
  }

  #notify(text: string): void {
    this.#context.kernel.notify(this.process, text);
  }

  /** An uninterruptible sleep (state D): it does nothing, and receives no signal. */
  #sleep(): void {
    const { kernel, random, timers } = this.#context;
    const { process } = this;
    process.state = 'D';
    const before = this.hungSince;
    this.hungSince ??= timers.now;
    this.#after(random.pick([500, 8_000, 40_000]), () => {
      this.hungSince = before;
      kernel.processes.wake(process);
      if (this.alive && this.accepting) this.#context.network.begin(this);
    });
  }

  /** Sends MAINPID= right before the sender exits. */
  #replaceMain(): void {
    const { kernel, random } = this.#context;
    const before = this.process;
    if (before.state === 'D' || before.isProtected || this.signalled) return;
    const child = this.#fork(random.pick(['same', 'new']));
    if (!child) return;
    this.#follow(child);
    kernel.notify(child, `MAINPID=${child.pid}`);
    kernel.processes.end(before, { code: 0 });
  }

  /** null if no pid is free (EAGAIN). */
  #fork(session: 'same' | 'new'): FakeProcess | null {
    try {
      return this.#context.kernel.processes.fork(this.process, session);
    } catch {
      return null;
    }
  }

  #onSignal(signal: string): void {
    const { random, violated } = this.#context;
    if (signal !== 'SIGTERM') return;
    if (this.signalled && !this.mayGetSignalAgain) violated('a worker gets its shutdown signal once');
    if (this.signalled) return;
    this.signalled = true;
    if (this.behaviour.ignoresSignal || this.hung) return;
    // Without a graceful stop it exits immediately, and drops accepted connections.
    this.accepting = false;
    if (this.behaviour.graceful) this.#after(random.between(0, 3_000), () => this.#exit({ code: 0 }));
    else this.#exit({ code: 0 });
  }

  #exit(exit: FakeExit): void {
    const { kernel, random, timers } = this.#context;
    const { process, behaviour } = this;
    if (process.state === 'D') {
      this.#after(1_000, () => this.#exit(exit));
      return;
    }
    for (let left = behaviour.leftovers; left > 0; left -= 1) {
      const child = this.#fork(random.pick(['same', 'new']));
      if (!child) break;
      child.isProtected = behaviour.protectedFrom;
      child.onSignal = (signal) => {
        if (signal !== 'SIGTERM') kernel.processes.end(child, { signal });
      };
      if (random.chance(0.5))
        timers.set(random.between(0, 1_500), () => kernel.processes.end(child, { code: 0 }));
    }
    process.print(`exits ${'code' in exit ? exit.code : signalNumber(exit.signal)}\n`);
    kernel.processes.end(process, exit);
  }
}
