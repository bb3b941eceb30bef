import path from 'node:path';
import type { ReadinessConfig } from '../config/index.ts';
import type { WorkerKey } from '../lifecycle/events.ts';
import type { ExitStatus, Fact, Usage } from '../lifecycle/facts.ts';
import { isSystemFailure } from '../linux/errors.ts';
import type { Kernel } from '../linux/kernel.ts';
import type { Listeners } from '../listeners/listeners.ts';
import {
  type GateReason,
  type Gates,
  NotifySocket,
  type RunCommand,
  startGates,
  type Timers,
} from '../readiness/index.ts';
import { type Delivery, NOBODY } from '../workers/delivery.ts';
import { belongsTo, isRunning } from '../workers/descendants.ts';
import { launcherFailure } from '../workers/launcher-exit.ts';
import { LineForwarder } from '../workers/line-forwarder.ts';
import { WorkerOutput } from '../workers/output.ts';
import type { OutputFiles } from '../workers/output-files.ts';
import type { OutputLog } from '../workers/output-log.ts';
import type { ProcessTable } from '../workers/process-table.ts';
import type { Sink } from '../workers/sink.ts';
import { SpawnError, spawnWorker } from '../workers/spawner.ts';
import { killProcess } from '../workers/stopper.ts';
import type { WorkerListener } from '../workers/worker-listener.ts';
import type { Boundary } from './boundary.ts';
import type { Happening } from './engine.ts';
import type { Prepared } from './prepare.ts';
import { Remains } from './remains.ts';
import { type AddressContext, EXAMINED_LINES, givenTo, WorkerAddresses } from './worker-addresses.ts';

export interface WorkerContext {
  readonly kernel: Kernel;
  readonly boundary: Boundary;
  readonly runtimeDirectory: string;
  readonly table: ProcessTable;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly output: OutputLog;
  readonly files: OutputFiles;
  readonly timers: Timers;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly runCommand: (prepared: Prepared) => RunCommand;
  readonly listeners: Listeners;
  readonly workers: AddressContext['workers'];
  readonly post: (happening: Happening) => void;
  readonly report: (fact: Fact) => void;
}

const REPORTED_LINES = 20;

/** Where the remaining processes cannot be listed there may be one: SIGKILL follows when their time is over. */
const UNKNOWN_REMAINS = 1;

const NO_GATES: ReadinessConfig = { notify: false, accept: false, timeout: 0 };

/** Where a process has its place: its lane, and whether it is there only for what waits in it. */
export interface Post {
  readonly lane: number;
  readonly relief: boolean;
  /** The first lane of its generation; undefined for a relief. */
  readonly first: number | undefined;
  /** The listening sockets that it gets. */
  readonly sockets: readonly WorkerListener[];
  /** What it executes: the file of its release, or the copy that is kept of it. */
  readonly executable: string;
}

/** One process in one place of a generation, with all that is held for it: pipes, notify socket, gates, watches. */
export class WorkerProcess {
  readonly key: WorkerKey;
  readonly post: Post;
  /** The pid it was spawned with, which is also its session. */
  readonly session: number;
  /** The pid of its main process, which MAINPID= may have changed. */
  pid: number;
  /** Milliseconds that its main process was up; null: it has not exited, or a gate had not passed by then. */
  lasted: number | null = null;
  /** The start time of the main process, in clock ticks since boot. */
  startTime: number;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly #context: WorkerContext;
  readonly #output: WorkerOutput;
  readonly #notify: NotifySocket;
  readonly #gates: Gates;
  readonly #addresses: WorkerAddresses;
  /** Of gates that were closed while they waited: a failure is explained after that. */
  #reasons: readonly GateReason[] = [];
  /** When it last sent WATCHDOG=1; null: never. */
  watchdogAt: number | null = null;
  readonly #remains: Remains;
  #follow: { close(): void } | null = null;
  #life: 'starting' | 'running' | 'remains' | 'ended' = 'starting';

  /** Spawns it. Throws SpawnError, ReleaseError or ListenerError; nothing stays open then. */
  constructor(key: WorkerKey, post: Post, prepared: Prepared, context: WorkerContext) {
    this.key = key;
    this.post = post;
    this.#context = context;
    this.startedAt = context.now();
    const { kernel } = context;
    const { config, settings, release, user, acquired } = prepared;
    const { readiness, runtime } = config.service;
    const { shutdownSignal: signal, shutdownTimeout: timeout } = settings;
    const undo: (() => void)[] = [];
    try {
      const name = `${key.generation}.${key.worker}.${key.incarnation}`;
      const notifyPath = path.join(context.runtimeDirectory, 'notify', name);
      const owner = user ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
      const warn = (message: string) => context.report({ event: 'warning', about: 'notify', message });
      this.#notify = new NotifySocket({ kernel, path: notifyPath, owner, warn });
      undo.push(() => this.#notify.close());
      const { generation, worker } = key;
      const receiver = (stream: 'stdout' | 'stderr') =>
        context.files.receiverOf({ generation, worker, stream }) ?? new LineForwarder(context[stream]);
      const record = (stream: 'stdout' | 'stderr', bytes: Buffer) =>
        context.output.add({ generation, worker, stream }, bytes);
      this.#output = new WorkerOutput(kernel, {
        stdout: receiver('stdout'),
        stderr: receiver('stderr'),
        record,
        owner: user,
      });
      undo.push(() => this.#output.close());
      const readyPipe = readiness.ready_fd === undefined ? null : kernel.openPipe();
      if (readyPipe) undo.push(() => kernel.closeFd(readyPipe.read));
      try {
        const { pid } = spawnWorker(kernel, {
          generation: key.generation,
          worker: key.worker,
          runtime,
          release: { ...release, executable: post.executable },
          user,
          listeners: post.sockets,
          notifyPath,
          watchdog: config.service.liveness?.watchdog ?? null,
          shutdown: { signal, timeout },
          readyFd: readyPipe && { target: readiness.ready_fd ?? -1, fd: readyPipe.write },
          output: this.#output.childEnds,
        });
        this.session = pid;
        this.pid = pid;
        context.table.adopt(pid, (exit, usage) => this.#left(pid, exit, usage));
        undo.push(() => this.kill());
      } finally {
        if (readyPipe) kernel.closeFd(readyPipe.write);
      }
      this.#output.closeChildEnds();
      this.startTime = kernel.processStat(this.pid)?.startTime ?? 0;
      this.#remains = new Remains(context, { session: this.session, since: this.startTime, ...key });
      this.#notify.subscribe((message) => {
        if (message.kind === 'main_pid') this.#mainPid(message.pid);
        else if (message.kind === 'watchdog') this.watchdogAt = context.now();
        else if (message.kind === 'drains')
          this.#context.post({ type: 'drains', drains: message.drains, ...this.key });
      });
      this.#addresses = new WorkerAddresses(this, givenTo(acquired.listeners, release.environment), context);
      const steered = acquired.listeners.filter((listener) => listener.steered).map(({ name }) => name);
      // A relief is there for what waits already; nobody asks whether it is ready.
      this.#gates = startGates(post.relief ? NO_GATES : readiness, {
        kernel,
        openProbe: (listener) => context.listeners.openProbe(acquired, listener, post.lane),
        steered: post.relief ? [] : steered,
        notify: this.#notify,
        readyPipe: readyPipe?.read ?? null,
        runCommand: context.runCommand(prepared),
        timers: context.timers,
        passed: (gate) => this.#gatePassed(gate),
        failed: (gate, reason) => this.#gateFailed(gate, reason),
      });
      this.#life = 'running';
    } catch (error) {
      for (const step of undo.reverse()) attempt(context.boundary, step);
      throw isSystemFailure(error) ? new SpawnError(error, post.executable) : error;
    }
  }

  /** Why it is not ready yet, as far as its gates know. */
  reasons(): readonly string[] {
    return this.#openGates().map(({ gate, reason }) => (gate === null ? reason : `${gate}: ${reason}`));
  }

  /** The last failure of a gate that is open; null where none is known. */
  gateReason(name: string): string | null {
    // Sockets of its own are why it accepts nothing from its descriptors.
    const known = this.#openGates().filter(
      ({ gate }) => gate === name || (gate === null && name === 'accept'),
    );
    return known.length === 0 ? null : known.map(({ reason }) => reason).join('; ');
  }

  #openGates(): readonly GateReason[] {
    const waiting = this.#gates.waiting();
    if (waiting.length === 0) return this.#reasons;
    const addresses = this.#addresses;
    const known = [
      addresses.inUse(this.#output.lines(EXAMINED_LINES)),
      addresses.foreignSocket() ?? addresses.elsewhere(),
    ];
    return [
      ...waiting.flatMap(({ gate, reason }) => (reason ? [{ gate, reason }] : [])),
      ...known.flatMap((reason) => (reason === null ? [] : [{ gate: null, reason }])),
    ];
  }

  /** The last lines that were read of what it wrote. */
  lines(): string[] {
    return this.#output.lines(REPORTED_LINES);
  }

  /** Nothing is asked of it any more. */
  closeGates(): void {
    this.#reasons = this.#openGates();
    this.#gates.close();
  }

  /** True when neither the process nor anything that outlived it is there any more. */
  get ended(): boolean {
    return this.#life === 'ended';
  }

  /**
   * Sends a signal to the main process. Once that has exited nothing happens: its pid may mean another process. Throws
   * RangeError for an unknown signal.
   */
  signal(signal: string): Delivery {
    return this.#life === 'running' ? this.#context.table.signal(this.pid, signal) : NOBODY;
  }

  /** Sends SIGKILL to the main process and to every process of the session. */
  kill(): Delivery {
    const { kernel, table } = this.#context;
    return killProcess(kernel, table, this);
  }

  /** Sends SIGKILL to the processes that remain of the worker after its main process has exited. */
  killLeftovers(): Delivery {
    const delivery = this.#remains.kill();
    const { generation, worker } = this.key;
    const pids = [...delivery.signalled];
    if (pids.length > 0) this.#context.report({ event: 'leftovers_killed', generation, worker, pids });
    // Those that did not get the signal may get the next one.
    if (delivery.refused.length === 0) this.#end();
    return delivery;
  }

  /** Lets go of everything; the process itself goes on, if it is there. */
  close(): void {
    this.#gates.close();
    this.#notify.close();
    this.#follow?.close();
    this.#output.close();
  }

  /** A service that accepts, but not only from its descriptor, would get connections that nobody steers. */
  #gatePassed(gate: string): void {
    const problem = gate === 'accept' ? this.#addresses.foreignSocket() : null;
    if (problem === null) this.#context.post({ type: 'gate_passed', ...this.key, gate });
    else this.#context.post({ type: 'gate_failed', ...this.key, gate, reason: problem });
  }

  /** A process that leaves closes its ready descriptor first; how it left, which is known in a moment, says more. */
  #gateFailed(gate: string, reason: string): void {
    if (this.#context.kernel.processStat(this.pid)?.exiting ?? true) return;
    this.#context.post({ type: 'gate_failed', ...this.key, gate, reason });
  }

  #end(): void {
    this.#life = 'ended';
    this.close();
  }

  /** A process that was the main process of this worker has exited. */
  #left(pid: number, exit: ExitStatus, usage: Usage | null): void {
    // The start failed half-way and was undone, or the service announced another main process before.
    if (this.#life === 'starting' || pid !== this.pid) return;
    const { key } = this;
    const { boundary } = this.#context;
    // It may also have done so right before the exit.
    boundary.run('read the last notifications', () => this.#notify.drain());
    if (pid !== this.pid) return;
    if (this.#gates.waiting().length === 0) this.lasted = this.#context.now() - this.startedAt;
    // The exit is reported whatever cannot be read of the process: without the report it would be waited for without
    // end.
    boundary.run('read the last output', () => {
      this.#gates.close();
      this.#notify.close();
      this.#output.drain();
    });
    const output = this.lines();
    const failed = launcherFailure(exit, output);
    const examined = this.#output.lines(EXAMINED_LINES);
    const explained =
      failed === null ? this.#addresses.explainExit(exit, examined) : `could not be started: ${failed}`;
    const leftovers = boundary.run('find remaining processes', () => this.#awaitRemains()) ?? UNKNOWN_REMAINS;
    this.#context.post({ type: 'exited', ...key, exit, usage, leftovers, output, explained });
  }

  /** Returns how many processes remain. */
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
   * Whether a process belongs to this worker. The kernel gives the children of a main process that has exited to the
   * supervisor, also before the main process is reaped; they are found as remaining processes.
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
      const message = `generation ${key.generation}: MAINPID=${pid} is none of this service's processes: ignored`;
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

/** Undoes one step of a start that failed. The failure of the start is the one to report. */
function attempt(boundary: Boundary, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!isSystemFailure(error)) boundary.caught('undo a start', error);
  }
}
