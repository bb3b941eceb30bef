import path from 'node:path';
import type { Turns } from '../../common/slices.ts';
import type { ReadinessConfig } from '../../config/index.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import { NO_GATES, NotifySocket, onlyGates, type RunCommand, type Timers } from '../../readiness/index.ts';
import type { WorkerListener } from '../../workers/conventions/convention.ts';
import { LineForwarder } from '../../workers/output/line-forwarder.ts';
import { type OutputOptions, WorkerOutput } from '../../workers/output/output.ts';
import type { OutputFiles } from '../../workers/output/output-files.ts';
import type { OutputLog } from '../../workers/output/output-log.ts';
import type { OnExit, ProcessTable } from '../../workers/processes/process-table.ts';
import { killProcess, leftovers } from '../../workers/processes/stopper.ts';
import { spawnWorker } from '../../workers/spawning/spawner.ts';
import type { Sink } from '../../writing/sink.ts';
import type { AcceptLooks } from './accept-looks.ts';
import type { Boundary } from './boundary.ts';
import type { Happening } from './engine.ts';
import { Descendants, type Family, NO_FAMILY } from './family.ts';
import type { Prepared } from './prepare.ts';
import type { SessionKiller } from './session-killer.ts';
import type { AddressContext } from './worker-addresses.ts';

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
  readonly turns: Turns;
  readonly runCommand: (prepared: Prepared) => RunCommand;
  readonly listeners: Listeners;
  readonly workers: AddressContext['workers'];
  readonly accepts: AcceptLooks;
  readonly sessions: SessionKiller;
  readonly post: (happening: Happening) => void;
  readonly report: (fact: Fact) => void;
}

/** The place of a process: its lane, and whether it only rescues the connections that wait there. */
export interface Post {
  readonly lane: number;
  readonly rescue: boolean;
  /** The first lane of its generation; undefined for a rescue worker. */
  readonly first: number | undefined;
  /** The listening sockets of the process. */
  readonly sockets: readonly WorkerListener[];
  /** The file to execute: that of its release, or zero's copy. */
  readonly executable: string;
}

/** The pipes of a process by their inodes. Another supervisor finds them in the process by the inode. null: unknown. */
export interface Pipes {
  readonly stdout: number | null;
  readonly stderr: number | null;
  /** The number of the descriptor in the process; null without `ready_fd`. */
  readonly ready: { readonly fd: number; readonly inode: number } | null;
}

/** A process that another supervisor started, as recorded by that supervisor. */
export interface RecoveredProcess {
  readonly key: WorkerKey;
  /** The main process. The start time is in clock ticks since boot. */
  readonly pid: number;
  readonly startTime: number;
  /** The pid it was spawned with. */
  readonly session: number;
  readonly lane: number;
  readonly rescue: boolean;
  readonly first: number | undefined;
  /** When the process was started, in monotonic milliseconds. */
  readonly since: number;
  /** The gates that the process has not passed. */
  readonly waiting: readonly string[];
  readonly pipes: Pipes;
  /** No supervisor started the process, see lifecycle/adopt.ts. Its output keeps its destination. */
  readonly adopted?: boolean;
  /** The service's WATCHDOG_USEC, in milliseconds. */
  readonly watchdogTime?: number | null;
}

/** The resources that zero holds for a process: its pipes and its notify socket. */
export interface WorkerParts {
  readonly session: number;
  readonly pid: number;
  readonly startTime: number;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly notify: NotifySocket;
  readonly output: WorkerOutput;
  /** The read end of its ready pipe, and the number of the write end in the process. */
  readonly ready: { readonly read: number; readonly target: number } | null;
  /** The gates that the process must pass. */
  readonly readiness: ReadinessConfig;
  /** False if the main process has exited. */
  readonly isAlive: boolean;
  /** The process is not a child of this supervisor. */
  readonly isForeign: boolean;
  readonly family: Family;
}

/**
 * A request for the resources of one process. `undo` receives a function for each step that reverts the step after a
 * later failure.
 */
interface PartsRequest {
  readonly key: WorkerKey;
  readonly prepared: Prepared;
  readonly context: WorkerContext;
  readonly onExit: OnExit;
  readonly undo: (() => void)[];
}

/** Spawns a process. Throws SystemError, ReleaseError or ListenerError. */
export function spawnParts({ prepared, context, ...request }: PartsRequest, post: Post): WorkerParts {
  const { key, onExit, undo } = request;
  const { kernel, table } = context;
  const { config, settings, release, user } = prepared;
  const { readiness, runtime, liveness } = config.service;
  const startedAt = context.now();
  const notify = openNotify(key, prepared, context);
  undo.push(() => notify.close());
  const output = WorkerOutput.open(kernel, outputOptions(key, prepared, context));
  undo.push(() => output.close());
  const target = readiness.ready_fd;
  const readyPipe = target === undefined ? null : kernel.openPipe();
  if (readyPipe) undo.push(() => kernel.closeFd(readyPipe.read));
  let pid: number;
  try {
    const { shutdownSignal: signal, shutdownTimeout: timeout } = settings;
    pid = spawnWorker(kernel, {
      generation: key.generation,
      worker: key.worker,
      runtime,
      release: { ...release, executable: post.executable },
      user,
      listeners: post.sockets,
      notifyPath: notify.path,
      watchdog: liveness?.watchdog ?? null,
      shutdown: { signal, timeout },
      readyFd: readyPipe && { target: target ?? -1, fd: readyPipe.write },
      output: output.childEnds,
    }).pid;
    table.adopt(pid, onExit);
    undo.push(() => killProcess(kernel, table, { pid, session: pid }));
  } finally {
    if (readyPipe) kernel.closeFd(readyPipe.write);
  }
  output.closeChildEnds();
  const startTime = kernel.processStat(pid)?.startTime ?? 0;
  const ready = readyPipe && { read: readyPipe.read, target: target ?? -1 };
  const process = {
    session: pid,
    pid,
    startTime,
    startedAt,
    isAlive: true,
    isForeign: false,
    family: NO_FAMILY,
  };
  // A rescue worker serves waiting connections and needs no readiness check.
  return { ...process, notify, output, ready, readiness: post.rescue ? NO_GATES : readiness };
}

/**
 * Takes over a process that another supervisor started, or the remaining processes of a worker. Throws SystemError; the
 * process is unchanged then.
 */
export function adoptParts(request: PartsRequest, recovered: RecoveredProcess): WorkerParts {
  const { key, prepared, context, onExit, undo } = request;
  const { kernel, table } = context;
  const { pid, startTime, session, since, waiting, rescue, adopted = false } = recovered;
  const isForeign = kernel.processStat(pid)?.ppid !== kernel.pid;
  const isAlive = isForeign
    ? table.adoptForeign(pid, startTime, onExit)
    : adoptChild(recovered, context, onExit);
  const notify = openNotify(key, prepared, context);
  undo.push(() => notify.close());
  const holders = isAlive ? [pid] : remaining(recovered, notify.path, context);
  const open = (fd: number, inode: number | null): number | null => {
    for (const holder of holders) {
      const found = kernel.openPipeOf(holder, fd, inode);
      if (found !== null) return found;
    }
    return null;
  };
  const { pipes } = recovered;
  const ends = adopted
    ? { stdout: null, stderr: null }
    : { stdout: open(1, pipes.stdout), stderr: open(2, pipes.stderr) };
  if (isAlive && !adopted) reportLost(key, ends, context);
  const output = WorkerOutput.reopen(kernel, outputOptions(key, prepared, context), ends);
  undo.push(() => output.close());
  const read = pipes.ready === null ? null : open(pipes.ready.fd, pipes.ready.inode);
  if (read !== null) undo.push(() => kernel.closeFd(read));
  const ready = pipes.ready === null || read === null ? null : { read, target: pipes.ready.fd };
  const { readiness } = prepared.config.service;
  const isWaiting = (gate: string) =>
    isAlive && !rescue && waiting.includes(gate) && (gate !== 'ready_fd' || ready !== null);
  const family = adopted ? new Descendants(kernel, { pid, startTime }) : NO_FAMILY;
  const process = { session, pid, startTime, startedAt: since, isAlive, isForeign, family };
  return { ...process, notify, output, ready, readiness: onlyGates(readiness, isWaiting) };
}

function reportLost(
  { generation, worker }: WorkerKey,
  ends: { readonly stdout: number | null; readonly stderr: number | null },
  { report }: WorkerContext,
): void {
  for (const name of ['stdout', 'stderr'] as const) {
    if (ends[name] !== null) continue;
    const reason = 'the process has redirected it, or belongs to another user';
    report({ event: 'output_lost', generation, worker, stream: name, reason });
  }
}

/** Adopts a child of this supervisor. After an exec of another program, the supervisor is the same process. */
function adoptChild(
  { pid, startTime }: RecoveredProcess,
  { kernel, table }: WorkerContext,
  onExit: OnExit,
): boolean {
  if (kernel.processStat(pid)?.startTime !== startTime) return false;
  table.adopt(pid, onExit);
  return true;
}

function remaining(
  { key, session, startTime }: RecoveredProcess,
  notifyPath: string,
  { kernel, table }: WorkerContext,
): readonly number[] {
  const departed = { session, since: startTime, ...key, notifyPath };
  const found = leftovers(kernel, departed, table.known());
  return [...found.session, ...found.orphans];
}

/** The path of the notify socket of a process. It identifies the process in its environment. */
export function notifyPath(runtimeDirectory: string, { generation, worker, incarnation }: WorkerKey): string {
  return path.join(runtimeDirectory, 'notify', `${generation}.${worker}.${incarnation}`);
}

function openNotify(
  key: WorkerKey,
  { user }: Prepared,
  { kernel, runtimeDirectory, report }: WorkerContext,
): NotifySocket {
  const owner = user ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const warn = (message: string) => report({ event: 'warning', about: 'notify', message });
  return new NotifySocket({ kernel, path: notifyPath(runtimeDirectory, key), owner, warn });
}

function outputOptions(
  { generation, worker }: WorkerKey,
  { user }: Prepared,
  context: WorkerContext,
): OutputOptions {
  const receiver = (stream: 'stdout' | 'stderr') =>
    context.files.receiverOf({ generation, worker, stream }) ?? new LineForwarder(context[stream]);
  return {
    stdout: receiver('stdout'),
    stderr: receiver('stderr'),
    record: (stream, bytes) => context.output.add({ generation, worker, stream }, bytes),
    owner: user,
  };
}
