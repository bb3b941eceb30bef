/*
 * A worker is one process of a generation. Its states and transitions:
 *
 *                 spawned            asked to stop (shutdown signal)         exited
 *   spawning ----------------> up ---------------------------------> stopping ------> ended
 *     |   ^                    |                                        |               ^
 *     |   |  backoff is over   |  exited, the policy restarts it        +---------------+
 *     |   +---- backoff <------+                                          given up: still there long after
 *     |            ^           |                                          SIGKILL, or the kernel refuses
 *     +------------+           |  exited, the policy does not             signals and zero stops
 *      spawn_failed            +----------------------------------------> ended
 *
 * A step starts few workers, so that it does not block the main thread. The other new workers begin in `backoff`.
 *
 * `leave` is independent of these states. It asks for the worker's exit once new connections no longer reach its lane,
 * the handshakes in progress have settled, its queue is empty and its connections have ended or are idle. generation.ts
 * then asks it to stop.
 *
 * Deadlines: reload_uptime (up), the end of the backoff, SIGKILL after shutdown_timeout, giving up after SIGKILL, the
 * next attempt of a failed signal. remains.ts handles processes that outlive the main process.
 */
import { durationText } from '../common/duration.ts';
import { type Context, emit, emitOnce, report } from './context.ts';
import type { Of } from './events.ts';
import { describeExit, type ExitStatus, type Failure, type LastExit } from './facts.ts';
import type { Generation } from './generation.ts';
import { leaveQueues } from './lane.ts';
import { keepRemains } from './remains.ts';
import { type Retry, restartOrEnd } from './restart.ts';
import { keyOf, workerOf } from './state.ts';
import { stopWorker, tickStopping } from './stopping.ts';

/**
 * - `member`: one of the generation's own workers; a crashed one is restarted.
 * - `joining`: added to the serving generation. It gets no connections, and is not restarted (join.ts).
 * - `leaving`: replaced, or surplus. It retires individually, while its generation keeps serving.
 */
export type Membership = 'member' | 'joining' | 'leaving';

export interface Worker {
  index: number;
  /** The lane it accepts from. */
  lane: number;
  /** A rescue worker: serves a lane whose own worker has exited or is hung. */
  rescue: boolean;
  membership: Membership;
  /** Counts the starts of this worker; identifies one of its successive processes. */
  incarnation: number;
  /** Restarts in a row without having been up for `resetAfter`. */
  attempts: number;
  life: WorkerLife;
  /** Set if it is to exit when its connections have ended or are idle. */
  leave: Leave | null;
  /** Its last unexpected exit, or failed start. Null: there was none. */
  lastExit: LastExit | null;
}

export interface Leave {
  /** Since when no new connection reaches its lane; null while one still may. */
  since: number | null;
}

export type WorkerLife =
  /** The spawn was ordered, and its result is still open. */
  | { name: 'spawning' }
  | {
      name: 'up';
      pid: number;
      since: number;
      waiting: string[];
      readyAt: number | null;
      hung: boolean;
      /** Why its liveness check fails. Null if it passes, or there is none. */
      unhealthy: string | null;
      /** SIGKILL was sent, because it is hung. */
      killed: boolean;
      /** The worker drains its own connections once it is asked to stop, so zero does not wait for them first. */
      drains: boolean;
    }
  /** Is started at `until`, again or for the first time. */
  | { name: 'backoff'; until: number }
  /** Got its shutdown signal. `killed`: SIGKILL was sent. */
  | {
      name: 'stopping';
      pid: number;
      since: number;
      /** When SIGKILL is sent or, after that, when zero stops waiting. Null for never. */
      killAt: number | null;
      killed: boolean;
      /** The last signal could not be sent and is sent again. */
      retry: Retry | null;
      /** Why the kernel refuses every signal to it (EPERM). It keeps running until it exits on its own. */
      refused: string | null;
    }
  /** Exited. `exit`: the restart policy does not restart it. Null: it is not restarted while its generation leaves. */
  | { name: 'ended'; exit: ExitStatus | null };

const NEVER = Number.POSITIVE_INFINITY;

/** Orders the start of a process for the worker. */
export function spawnWorker(context: Context, generation: Generation, worker: Worker): void {
  worker.incarnation += 1;
  worker.life = { name: 'spawning' };
  const { lane, rescue } = worker;
  const joins = worker.membership === 'joining';
  emit(context, { type: 'spawn', ...keyOf(generation, worker), lane, rescue, joins });
}

/** Starts the worker in this step, or in a later one if this step may not start more processes. */
export function spawnWhenPossible(context: Context, generation: Generation, worker: Worker): void {
  context.starts -= 1;
  if (context.starts >= 0) spawnWorker(context, generation, worker);
  else worker.life = { name: 'backoff', until: context.state.now + 1 };
}

/** Whether a new worker waits for the starts of others. It has not exited, unlike every other worker in `backoff`. */
export function waitsForFirstStart({ life, incarnation }: Worker): boolean {
  return life.name === 'backoff' && incarnation === 0;
}

export function newWorker(index: number, lane: number, rescue: boolean): Worker {
  const life = { name: 'ended', exit: null } as const;
  return {
    index,
    lane,
    rescue,
    membership: 'member',
    incarnation: 0,
    attempts: 0,
    life,
    leave: null,
    lastExit: null,
  };
}

export function onSpawned(context: Context, event: Of<'spawned'>): void {
  const found = workerOf(context.state, event);
  if (found?.worker.life.name !== 'spawning') return;
  const { generation, worker } = found;
  const { pid } = event;
  worker.life = {
    name: 'up',
    pid,
    since: context.state.now,
    // A rescue worker has no gates: connections wait for it already.
    waiting: worker.rescue ? [] : [...generation.settings.gates, 'uptime'],
    readyAt: worker.rescue ? context.state.now : null,
    hung: false,
    unhealthy: null,
    killed: false,
    drains: false,
  };
  report(context, { event: 'worker_spawned', generation: generation.id, worker: worker.index, pid });
  // It was asked to stop before it was running.
  if (generation.stage.name === 'stopping') stopWorker(context, generation, worker);
}

export function onGatePassed(context: Context, event: Of<'gate_passed'>): void {
  const found = workerOf(context.state, event);
  if (found) passGate(context, found.generation, found.worker, event.gate);
}

function passGate(context: Context, generation: Generation, worker: Worker, gate: string): void {
  const { life } = worker;
  if (life.name !== 'up' || !life.waiting.includes(gate)) return;
  const now = context.state.now;
  const after = now - life.since;
  life.waiting = life.waiting.filter((name) => name !== gate);
  report(context, { event: 'gate_passed', generation: generation.id, worker: worker.index, gate, after });
  if (life.waiting.length > 0) return;
  life.readyAt = now;
  emitOnce(context, { type: 'listen_again', generation: generation.id });
  emitOnce(context, { type: 'inspect_lanes' });
  report(context, { event: 'worker_ready', generation: generation.id, worker: worker.index, after });
}

/** A process exited. Returns why that is a failure of its generation, or undefined if it was asked to stop. */
export function onExited(context: Context, event: Of<'exited'>): Failure | undefined {
  const found = workerOf(context.state, event);
  if (!found) return undefined;
  const { generation, worker } = found;
  const { life } = worker;
  if (life.name !== 'up' && life.name !== 'stopping') return undefined;
  const uptime = context.state.now - life.since;
  const expected = life.name === 'stopping';
  const { exit, usage, output, explained } = event;
  generation.usage = usage ?? generation.usage;
  const subject = { generation: generation.id, worker: worker.index };
  const known = expected || explained === null ? {} : { reason: explained };
  report(context, {
    event: 'worker_exited',
    ...subject,
    pid: life.pid,
    exit,
    expected,
    usage,
    uptime,
    ...known,
  });
  if (event.leftovers > 0) keepRemains(context, generation, keyOf(generation, worker), life);
  leaveQueues(context.state, generation, worker);
  emitOnce(context, { type: 'inspect_lanes' });
  if (expected) {
    worker.life = { name: 'ended', exit };
    return undefined;
  }
  if (life.hung) report(context, { event: 'worker_stall_ended', ...subject, how: 'exited' });
  const daemonised = event.leftovers > 0 && exit.kind === 'exited' && exit.code === 0;
  const reason = daemonised
    ? 'its main process exited and left a daemon running. Run the service in the foreground'
    : (explained ?? describeExit(exit));
  worker.lastExit = { at: context.state.now, exit, reason };
  restartOrEnd(context, generation, worker, exit, uptime, daemonised);
  return { step: 'exit', reason, ...subject, exit, output };
}

/** A worker could not be started. Returns why. It is started again if its generation proceeds. */
export function onSpawnFailed(context: Context, event: Of<'spawn_failed'>): Failure | undefined {
  const found = workerOf(context.state, event);
  if (found?.worker.life.name !== 'spawning') return undefined;
  const { generation, worker } = found;
  const { step, reason } = event.failure;
  const subject = { generation: generation.id, worker: worker.index };
  report(context, { event: 'worker_spawn_failed', ...subject, step, reason });
  worker.lastExit = { at: context.state.now, exit: null, reason };
  restartOrEnd(context, generation, worker, { kind: 'unknown' }, 0, false);
  return event.failure;
}

export function onPidChanged(context: Context, event: Of<'pid_changed'>): void {
  const life = workerOf(context.state, event)?.worker.life;
  if (life?.name !== 'up' && life?.name !== 'stopping') return;
  const { generation, worker, pid } = event;
  report(context, { event: 'worker_pid_changed', generation, worker, from: life.pid, pid });
  life.pid = pid;
}

export function onDrains(context: Context, event: Of<'drains'>): void {
  const life = workerOf(context.state, event)?.worker.life;
  if (life?.name === 'up') life.drains = event.drains;
}

/** Handles the deadlines of a generation's workers. */
export function tickWorkers(context: Context, generation: Generation): void {
  const { now } = context.state;
  for (const worker of generation.workers) {
    const { life } = worker;
    if (life.name === 'up' && life.waiting.includes('uptime')) {
      if (now >= life.since + generation.settings.reloadUptime)
        passGate(context, generation, worker, 'uptime');
    } else if (life.name === 'backoff') {
      if (now >= life.until) spawnWhenPossible(context, generation, worker);
    } else if (life.name === 'stopping') {
      tickStopping(context, generation, worker, life);
    }
  }
}

/** The earliest time at which a worker of this generation wants a `tick`; Infinity for none. */
export function workersDeadline(generation: Generation): number {
  const deadlines = generation.workers.map(({ life }) => {
    if (life.name === 'up' && life.waiting.includes('uptime'))
      return life.since + generation.settings.reloadUptime;
    if (life.name === 'backoff') return life.until;
    if (life.name === 'stopping') return Math.min(life.killAt ?? NEVER, life.retry?.at ?? NEVER);
    return NEVER;
  });
  return Math.min(NEVER, ...deadlines);
}

/** Whether a worker is up and has passed every gate. */
export function isReadyWorker({ life }: Worker): boolean {
  return life.name === 'up' && life.readyAt !== null;
}

/** Which of the workers is not ready after so many milliseconds, its open gates, and the reason for the failure. */
export function lateness(
  workers: readonly Worker[],
  after: number,
): { readonly worker: number; readonly waiting: readonly string[]; readonly reason: string } {
  const late = workers.find((worker) => !isReadyWorker(worker));
  const waiting = late?.life.name === 'up' ? late.life.waiting : [];
  const why = waiting.length > 0 ? `still waiting for ${waiting.join(', ')}` : 'it is not running';
  const worker = late?.index ?? 0;
  return { worker, waiting, reason: `worker ${worker} was not ready after ${durationText(after)}: ${why}` };
}
