import { isSystemFailure } from '../../common/errors.ts';
import type { FoundWorker, WorkerKey } from '../../lifecycle/events.ts';
import type { ExitStatus, Usage } from '../../lifecycle/facts.ts';
import { type NotifySocket, WatchdogReports } from '../../readiness/index.ts';
import type { WorkerOutput } from '../../workers/output/output.ts';
import { type Delivery, NOBODY } from '../../workers/processes/delivery.ts';
import { belongsTo, isRunning } from '../../workers/processes/descendants.ts';
import { launcherFailure } from '../../workers/spawning/launcher-exit.ts';
import { SpawnError } from '../../workers/spawning/spawner.ts';
import type { Boundary } from './boundary.ts';
import type { Family } from './family.ts';
import type { Prepared } from './prepare.ts';
import { Remains } from './remains.ts';
import { EXAMINED_LINES, givenTo, WorkerAddresses } from './worker-addresses.ts';
import { WorkerGates } from './worker-gates.ts';
import {
  adoptParts,
  type Pipes,
  type Post,
  type RecoveredProcess,
  spawnParts,
  type WorkerContext,
  type WorkerParts,
} from './worker-parts.ts';

const REPORTED_LINES = 20;

/** If the remaining processes cannot be listed, zero assumes one. SIGKILL follows when its time has expired. */
const UNKNOWN_REMAINS = 1;

/** One process in one place of a generation, with its resources: pipes, notify socket, gates, watches. */
export class WorkerProcess {
  readonly key: WorkerKey;
  readonly post: Post;
  /** The pid at its start, which is also its session. */
  readonly session: number;
  /** The pid of its main process, which MAINPID= may have changed. */
  pid: number;
  /** Milliseconds that its main process ran; null if it has not exited, or exited before it had passed every gate. */
  lasted: number | null = null;
  /** The start time of the main process, in clock ticks since boot. */
  startTime: number;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly #context: WorkerContext;
  readonly #output: WorkerOutput;
  readonly #notify: NotifySocket;
  readonly #gates: WorkerGates;
  readonly addresses: WorkerAddresses;
  readonly watchdog = new WatchdogReports();
  readonly #remains: Remains;
  readonly #family: Family;
  #follow: { close(): void } | null = null;
  #life: 'running' | 'remains' | 'ended' = 'running';
  readonly #ready: Pipes['ready'];

  private constructor(
    key: WorkerKey,
    post: Post,
    prepared: Prepared,
    context: WorkerContext,
    parts: WorkerParts,
  ) {
    const { kernel } = context;
    this.key = key;
    this.post = post;
    this.#context = context;
    this.session = parts.session;
    this.pid = parts.pid;
    this.startTime = parts.startTime;
    this.startedAt = parts.startedAt;
    this.#notify = parts.notify;
    this.#output = parts.output;
    const { ready } = parts;
    this.#ready = ready && { fd: ready.target, inode: kernel.inodeOf(ready.read) };
    const notifyPath = parts.isForeign ? parts.notify.path : null;
    this.#family = parts.family;
    const departed = { session: this.session, since: this.startTime, ...key, notifyPath };
    this.#remains = new Remains(context, departed, this.#family);
    this.#notify.subscribe((message) => {
      if (message.kind === 'main_pid') this.#mainPid(message.pid);
      else if (message.kind.startsWith('watchdog')) this.watchdog.note(message, context.now());
      else if (message.kind === 'drains')
        this.#context.post({ type: 'drains', drains: message.drains, ...this.key });
    });
    this.addresses = new WorkerAddresses(this, givenTo(prepared), context);
    this.#gates = new WorkerGates(context, {
      worker: this,
      lane: post.lane,
      prepared,
      readiness: parts.readiness,
      notify: this.#notify,
      readyPipe: ready?.read ?? null,
      addresses: this.addresses,
      lastLines: () => this.#output.lines(EXAMINED_LINES),
    });
  }

  /** Spawns a process. Throws SpawnError, ReleaseError or ListenerError, and leaves nothing open then. */
  static spawn(key: WorkerKey, post: Post, prepared: Prepared, context: WorkerContext): WorkerProcess {
    return WorkerProcess.#make(key, post, prepared, context, (request) => spawnParts(request, post));
  }

  /**
   * Takes over a process that another supervisor started, or the remaining processes of a worker. Reads its output from
   * where that supervisor stopped, and binds its notify socket again. Throws SpawnError; the process is unchanged then.
   */
  static adopt(
    recovered: RecoveredProcess,
    post: Post,
    prepared: Prepared,
    context: WorkerContext,
  ): { readonly worker: WorkerProcess; readonly found: FoundWorker } {
    const { key } = recovered;
    let isAlive = true;
    const worker = WorkerProcess.#make(key, post, prepared, context, (request) => {
      const parts = adoptParts(request, recovered);
      isAlive = parts.isAlive;
      return parts;
    });
    worker.watchdog.time = recovered.watchdogTime ?? null;
    if (isAlive) return { worker, found: { ...key, found: 'running', pid: worker.pid } };
    const leftovers = worker.#awaitRemains();
    // The core may still wait for remaining processes in the recorded state.
    if (leftovers === 0) context.kernel.defer(() => context.post({ type: 'leftovers_gone', ...key }));
    return { worker, found: { ...key, found: 'gone', exit: { kind: 'unknown' }, leftovers } };
  }

  static #make(
    key: WorkerKey,
    post: Post,
    prepared: Prepared,
    context: WorkerContext,
    open: (request: Parameters<typeof spawnParts>[0]) => WorkerParts,
  ): WorkerProcess {
    const undo: (() => void)[] = [];
    let worker: WorkerProcess | null = null;
    let pid = 0;
    // A start that failed half-way reports no exit.
    const onExit = (exit: ExitStatus, usage: Usage | null) => {
      if (worker !== null) worker.#left(pid, exit, usage);
    };
    try {
      const parts = open({ key, prepared, context, onExit, undo });
      pid = parts.pid;
      worker = new WorkerProcess(key, post, prepared, context, parts);
      return worker;
    } catch (error) {
      worker = null;
      for (const step of undo.reverse()) attempt(context.boundary, step);
      throw isSystemFailure(error) ? new SpawnError(error, post.executable) : error;
    }
  }

  /** The pipes of the process, as the state file records them. */
  get pipes(): Pipes {
    return { ...this.#output.inodes, ready: this.#ready };
  }

  /** Reads the pending output from its pipes, and terminates an incomplete line. */
  drainOutput(): void {
    this.#output.drain();
  }

  /** Why the worker is not ready yet, according to its gates. */
  reasons(): readonly string[] {
    return this.#gates.reasons();
  }

  /** The last failure of an open gate; null without one. */
  gateReason(name: string): string | null {
    return this.#gates.reasonOf(name);
  }

  /** Its main process runs and has not accepted a test connection on each of its listeners. */
  get waitsToAccept(): boolean {
    return this.#life === 'running' && this.#gates.waitsFor('accept');
  }

  /** The last lines of its output. */
  lines(): string[] {
    return this.#output.lines(REPORTED_LINES);
  }

  /** Stops its gates: no result matters any more. */
  closeGates(): void {
    this.#gates.closeEarly();
  }

  /** True when the main process and all remaining processes have exited. */
  get ended(): boolean {
    return this.#life === 'ended';
  }

  /**
   * Sends a signal to the main process. Does nothing after that process has exited, because its pid may belong to
   * another process. Throws RangeError for an unknown signal.
   */
  signal(signal: string): Delivery {
    this.#lookForFamily();
    return this.#life === 'running' ? this.#context.table.signal(this.pid, signal) : NOBODY;
  }

  /**
   * Sends SIGKILL to the main process, and in the next turn of the event loop to every process of its session. The
   * result is about the main process.
   */
  kill(): Delivery {
    const { table, sessions } = this.#context;
    this.#lookForFamily();
    // First, because this does not depend on /proc.
    const delivery = table.signal(this.pid, 'SIGKILL');
    this.#family.kill();
    sessions.add(() => (this.#life === 'ended' ? null : this.session));
    return delivery;
  }

  /** For a process that no supervisor has started: its current descendants, and its known orphans. */
  get relatives(): readonly number[] {
    if (this.#life === 'running') this.#lookForFamily();
    return this.#family.pids;
  }

  /** Sends SIGKILL to the remaining processes of the worker, after its main process has exited. */
  killLeftovers(): Delivery {
    const delivery = this.#remains.kill();
    const { generation, worker } = this.key;
    const pids = [...delivery.signalled];
    if (pids.length > 0) this.#context.report({ event: 'leftovers_killed', generation, worker, pids });
    // If a process did not receive the signal, a later call can send it again.
    if (delivery.refused.length === 0) this.#end();
    return delivery;
  }

  /** Binds the notify socket again after its name was removed with the runtime directory. Throws SystemError. */
  bindNotifyAgain(): void {
    this.#notify.rebind();
  }

  /** Releases every descriptor and timer. The process keeps running. */
  close(): void {
    this.#gates.close();
    this.#notify.close();
    this.#follow?.close();
    this.#output.close();
  }

  /** Only the running main process identifies its descendants. */
  #lookForFamily(): void {
    this.#context.boundary.run('find the processes of a service', () => this.#family.look());
  }

  #end(): void {
    this.#life = 'ended';
    this.close();
  }

  /** A main process of this worker has exited. */
  #left(pid: number, exit: ExitStatus, usage: Usage | null): void {
    // The service had announced another main process.
    if (pid !== this.pid) return;
    const { key } = this;
    const { boundary } = this.#context;
    // The announcement may have come right before the exit.
    boundary.run('read the last notifications', () => this.#notify.drain());
    if (pid !== this.pid) return;
    if (this.#gates.allPassed) this.lasted = this.#context.now() - this.startedAt;
    // The exit must be reported even if reading fails: without the report zero would wait forever.
    boundary.run('read the last output', () => {
      this.#gates.close();
      this.#notify.close();
      this.#output.drain();
    });
    const output = this.lines();
    const failed = launcherFailure(exit, output);
    const examined = this.#output.lines(EXAMINED_LINES);
    const explained =
      failed === null ? this.addresses.explainExit(exit, examined) : `could not be started: ${failed}`;
    const leftovers = boundary.run('find remaining processes', () => this.#awaitRemains()) ?? UNKNOWN_REMAINS;
    this.#context.post({ type: 'exited', ...key, exit, usage, leftovers, output, explained });
  }

  /** Returns the number of remaining processes. */
  #awaitRemains(): number {
    this.#life = 'remains';
    const pids = this.#remains.find();
    if (pids === null) {
      const message = 'cannot list /proc to find the remaining processes of a worker that has exited';
      this.#context.report({ event: 'error', step: 'exit', message });
      return UNKNOWN_REMAINS;
    }
    if (pids.length === 0) this.#end();
    else
      this.#remains.whenGone(pids, () => {
        this.#end();
        this.#context.post({ type: 'leftovers_gone', ...this.key });
      });
    return pids.length;
  }

  /**
   * Whether a process belongs to this worker. The kernel reparents the children of an exited main process to the
   * supervisor, even before the main process is reaped. They are found as remaining processes.
   */
  #owns(pid: number): boolean {
    const { pid: main, session } = this;
    if (belongsTo(this.#context.kernel, pid, { pid: main, session })) return true;
    return !isRunning(this.#context.kernel, main) && (this.#remains.find() ?? []).includes(pid);
  }

  #mainPid(pid: number): void {
    if (pid === this.pid) return;
    const { key } = this;
    const { table, report } = this.#context;
    if (!this.#owns(pid)) {
      const message = `generation ${key.generation}: MAINPID=${pid} is not a process of this service: ignored`;
      report({ event: 'warning', about: 'notify', message });
      return;
    }
    const before = this.#follow;
    try {
      this.#follow = table.watchForeign(pid, (exit, usage) => this.#left(pid, exit, usage), true);
    } catch (error) {
      if (!isSystemFailure(error)) throw error;
      const message = `generation ${key.generation}: MAINPID=${pid} cannot be followed: ${error.message}`;
      report({ event: 'warning', about: 'notify', message });
      return;
    }
    before?.close();
    this.pid = pid;
    this.startTime = this.#context.kernel.processStat(pid)?.startTime ?? 0;
    this.#context.post({ type: 'pid_changed', ...key, pid });
  }
}

/** Reverts one step of a failed start. The failure of the start is the one to report. */
function attempt(boundary: Boundary, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!isSystemFailure(error)) boundary.caught('undo a start', error);
  }
}
