import { signalNumber } from '../../src/common/signals.ts';
import { errnoNumber, SystemError } from '../../src/linux/errors.ts';
import type { SpawnRequest } from '../../src/linux/spawn.ts';
import { FakeProcess } from './fake-process.ts';

type Program = Pick<FakeProcess, 'comm' | 'environment' | 'pipes'>;

/** How a process ends. */
export type FakeExit = { readonly code: number } | { readonly signal: string };

const INIT = 1;
const SUPERVISOR = 2;
const MAX_PID = 4_194_304;

/**
 * The processes of the fake kernel. The world forks and ends them. The supervisor is one of them, and the subreaper.
 */
export class FakeProcesses {
  supervisor: FakeProcess;
  /** A SIGCHLD is pending. One stands for any number of exits (signal(7)). */
  hasChildSignal = false;
  /** How often a pid was reused by another process. */
  reused = 0;
  readonly #byPid = new Map<number, FakeProcess>();
  /** The number of processes in each session. The number of a session is not reused while it has members. */
  readonly #sessions = new Map<number, number>();
  #zombies: FakeProcess[] = [];
  readonly #used = new Set<number>();
  readonly #maxPid: number;
  #lastPid = SUPERVISOR;
  #ticks = 0;

  /** @param maxPid the highest number; with a small one, numbers are soon reused */
  constructor(maxPid = MAX_PID) {
    this.#maxPid = maxPid;
    this.supervisor = this.#addSupervisor(SUPERVISOR);
  }

  /** The supervisor has died, and another one has started. Init reaps the children of the dead one. */
  replaceSupervisor(): void {
    const { pid } = this.supervisor;
    for (const process of this.#byPid.values()) if (process.ppid === pid) process.ppid = INIT;
    for (const zombie of this.#zombies) this.#reap(zombie);
    this.#zombies = [];
    this.hasChildSignal = false;
    this.#reap(this.supervisor);
    this.supervisor = this.#addSupervisor(this.#freePid() ?? pid);
  }

  /** Including zombies. */
  get all(): readonly FakeProcess[] {
    return [...this.#byPid.values()];
  }

  /** All that have not exited, except the supervisor. */
  get running(): readonly FakeProcess[] {
    return this.all.filter((process) => process !== this.supervisor && !process.hasExited);
  }

  get(pid: number): FakeProcess | undefined {
    return this.#byPid.get(pid);
  }

  /** A child of the supervisor in a separate session. */
  spawn(program: Program, request: SpawnRequest): FakeProcess {
    const pid = this.#nextPid();
    return this.#add({ pid, ppid: this.supervisor.pid, session: pid }, program, request);
  }

  /** A child of a process, with the same program and descriptors. */
  fork(parent: FakeProcess, session: 'same' | 'new' = 'same'): FakeProcess {
    const pid = this.#nextPid();
    return this.#add(
      { pid, ppid: parent.pid, session: session === 'new' ? pid : parent.session },
      parent,
      null,
    );
  }

  /**
   * Ends a process. Its children are reparented to the supervisor if that is their subreaper (prctl(2)), else to init.
   * Parents other than the supervisor reap their children immediately.
   */
  end(process: FakeProcess, how: FakeExit): void {
    if (process.hasExited) return;
    process.state = 'Z';
    process.status = 'code' in how ? how.code << 8 : signalNumber(how.signal);
    for (const pipe of process.pipes.values()) pipe.writers -= 1;
    const { pid } = this.supervisor;
    const reaper = this.#isDescendant(process) ? pid : INIT;
    for (const child of this.#byPid.values()) if (child.ppid === process.pid) child.ppid = reaper;
    if (process.ppid === pid) {
      this.hasChildSignal = true;
      this.#zombies.push(process);
    } else {
      this.#reap(process);
    }
    process.onEnd?.();
  }

  /** The kernel's handling of a permitted signal. */
  signal(process: FakeProcess, signal: string): void {
    if (process.hasExited) return;
    if (process.state === 'D') process.pending.add(signal);
    else if (signal !== 'SIGKILL' && process.onSignal) process.onSignal(signal);
    else this.end(process, { signal });
  }

  /** Ends an uninterruptible sleep (state D). Pending signals are delivered now. */
  wake(process: FakeProcess): void {
    if (process.state !== 'D') return;
    process.state = 'S';
    if (process.isKilled) this.end(process, { signal: 'SIGKILL' });
    for (const signal of process.pending) this.signal(process, signal);
  }

  /** Reaps a zombie of the supervisor, which then no longer exists. */
  reapOne(): FakeProcess | null {
    const zombie = this.#zombies.shift();
    if (!zombie) return null;
    this.#reap(zombie);
    return zombie;
  }

  #isDescendant(process: FakeProcess): boolean {
    for (let one: FakeProcess | undefined = process; one; one = this.#byPid.get(one.ppid))
      if (one.ppid === this.supervisor.pid) return true;
    return false;
  }

  #addSupervisor(pid: number): FakeProcess {
    const program = { comm: 'zero', environment: [], pipes: new Map() };
    return this.#add({ pid, ppid: INIT, session: pid }, program, null);
  }

  #add(
    ids: Pick<FakeProcess, 'pid' | 'ppid' | 'session'>,
    { comm, environment, pipes }: Program,
    request: SpawnRequest | null,
  ): FakeProcess {
    this.#ticks += 1;
    const process = new FakeProcess({ ...ids, comm, environment, pipes, startTime: this.#ticks }, request);
    for (const pipe of pipes.values()) pipe.writers += 1;
    this.#byPid.set(process.pid, process);
    this.#sessions.set(process.session, (this.#sessions.get(process.session) ?? 0) + 1);
    if (this.#used.has(process.pid)) this.reused += 1;
    this.#used.add(process.pid);
    return process;
  }

  #reap(process: FakeProcess): void {
    process.reaped = true;
    this.#byPid.delete(process.pid);
    const left = (this.#sessions.get(process.session) ?? 1) - 1;
    if (left === 0) this.#sessions.delete(process.session);
    else this.#sessions.set(process.session, left);
  }

  #nextPid(): number {
    const pid = this.#freePid();
    // fork(2): pid_max is reached.
    if (pid === null) throw new SystemError('fork', errnoNumber('EAGAIN'));
    return pid;
  }

  /** Numbers are assigned in sequence. Those of a process or a session are skipped. */
  #freePid(): number | null {
    for (let tries = SUPERVISOR; tries < this.#maxPid; tries += 1) {
      this.#lastPid = this.#lastPid >= this.#maxPid ? SUPERVISOR + 1 : this.#lastPid + 1;
      if (!this.#byPid.has(this.#lastPid) && !this.#sessions.has(this.#lastPid)) return this.#lastPid;
    }
    return null;
  }
}
