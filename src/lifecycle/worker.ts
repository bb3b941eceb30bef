/*
 * A worker is one process of a generation. Its states, and what moves it from one to the next:
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
 * `leave` goes beside it: the worker is to exit once new connections no longer reach its lane, the handshakes in
 * progress have settled, its queue is empty and its connections have ended or are idle (generation.ts asks it to stop
 * then).
 *
 * Deadlines: reload_uptime (up), the end of the backoff, SIGKILL after shutdown_timeout, giving up after SIGKILL, the
 * next attempt of a signal that failed. Processes that outlive the main process are the subject of remains.ts.
 */
import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import { describeExit, type ExitStatus, type Failure, type LastExit } from './facts.ts';
import type { Generation } from './generation.ts';
import { leaveQueues } from './lane.ts';
import { keepRemains } from './remains.ts';
import { type Retry, restartOrEnd } from './restart.ts';
import { keyOf, workerOf } from './state.ts';
import { stopWorker, tickStopping } from './stopping.ts';

/**
 * - `member`: one of the workers that its generation consists of; a crashed one is started again.
 * - `joining`: was added to the generation that serves. It gets no connection, and is not started again (join.ts).
 * - `leaving`: is replaced, or one too many. It retires on its own, while its generation keeps serving.
 */
export type Membership = 'member' | 'joining' | 'leaving';

export interface Worker {
  index: number;
  /** The lane it accepts from. */
  lane: number;
  /**
   * A rescue worker: serves what is queued in a lane that another generation's worker left behind, and nothing else.
   */
  relief: boolean;
  membership: Membership;
  /** Counts the starts of this worker; names one process among those that had this place. */
  incarnation: number;
  /** Restarts in a row without having been up for `resetAfter`. */
  attempts: number;
  life: WorkerLife;
  /** It is to exit when its connections have ended or are idle. */
  leave: Leave | null;
  /** How it last ended without having been asked to, also where it could not be started; null: it never did. */
  lastExit: LastExit | null;
}

export interface Leave {
  /** Since when no new connection reaches its lane; null as long as one still may. */
  since: number | null;
}

export type WorkerLife =
  /** The spawn was ordered, its result has not come back. */
  | { name: 'spawning' }
  | {
      name: 'up';
      pid: number;
      since: number;
      waiting: string[];
      readyAt: number | null;
      hung: boolean;
      /** Why its liveness check fails; null where it passes, or there is none. */
      unhealthy: string | null;
      /** SIGKILL was sent, because it is hung. */
      killed: boolean;
      /** The worker drains its own connections once it is asked to stop, so zero does not wait for them first. */
      drains: boolean;
    }
  | { name: 'backoff'; until: number }
  /** Got its shutdown signal. `killed`: SIGKILL was sent. */
  | {
      name: 'stopping';
      pid: number;
      since: number;
      /** When SIGKILL is sent, or, once it was, when the process is given up; null for never. */
      killAt: number | null;
      killed: boolean;
      /** The last signal could not be sent and is sent again. */
      retry: Retry | null;
      /** Why the kernel refuses every signal to it (EPERM): it keeps running until it exits on its own. */
      refused: string | null;
    }
  /**
   * Exited. `exit`: the restart policy does not start it again; null: it is not started while its generation leaves.
   */
  | { name: 'ended'; exit: ExitStatus | null };

const NEVER = Number.POSITIVE_INFINITY;

/** Orders the start of a worker in its place. */
export function spawnWorker(context: Context, generation: Generation, worker: Worker): void {
  worker.incarnation += 1;
  worker.life = { name: 'spawning' };
  const { lane, relief } = worker;
  const joins = worker.membership === 'joining';
  emit(context, { type: 'spawn', ...keyOf(generation, worker), lane, relief, joins });
}

export function newWorker(index: number, lane: number, relief: boolean): Worker {
  const life = { name: 'ended', exit: null } as const;
  return {
    index,
    lane,
    relief,
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
    waiting: [...generation.settings.gates, 'uptime'],
    readyAt: null,
    hung: false,
    unhealthy: null,
    killed: false,
    drains: false,
  };
  report(context, { event: 'worker_spawned', generation: generation.id, worker: worker.index, pid });
  // It was asked to stop before it was there.
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
  emit(context, { type: 'listen_again', generation: generation.id });
  emit(context, { type: 'inspect_lanes' });
  report(context, { event: 'worker_ready', generation: generation.id, worker: worker.index, after });
}

/** A process exited. Returns why that is a failure of its generation, or undefined where it was asked to. */
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
  const place = { generation: generation.id, worker: worker.index };
  const known = expected || explained === null ? {} : { reason: explained };
  report(context, {
    event: 'worker_exited',
    ...place,
    pid: life.pid,
    exit,
    expected,
    usage,
    uptime,
    ...known,
  });
  if (event.leftovers > 0) keepRemains(context, generation, keyOf(generation, worker), life);
  leaveQueues(context.state, generation, worker);
  emit(context, { type: 'inspect_lanes' });
  if (expected) {
    worker.life = { name: 'ended', exit };
    return undefined;
  }
  if (life.hung) report(context, { event: 'worker_stall_ended', ...place, how: 'exited' });
  const daemonised = event.leftovers > 0 && exit.kind === 'exited' && exit.code === 0;
  const reason = daemonised
    ? 'its main process exited and left a daemon running: run the service in the foreground'
    : (explained ?? describeExit(exit));
  worker.lastExit = { at: context.state.now, exit, reason };
  restartOrEnd(context, generation, worker, exit, uptime, daemonised);
  return { step: 'exit', reason, ...place, exit, output };
}

/** A worker could not be started. Returns why; it is started again where its generation proceeds. */
export function onSpawnFailed(context: Context, event: Of<'spawn_failed'>): Failure | undefined {
  const found = workerOf(context.state, event);
  if (found?.worker.life.name !== 'spawning') return undefined;
  const { generation, worker } = found;
  const { step, reason } = event.failure;
  const place = { generation: generation.id, worker: worker.index };
  report(context, { event: 'worker_spawn_failed', ...place, step, reason });
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

/** Does what the deadlines of a generation's workers ask for. */
export function tickWorkers(context: Context, generation: Generation): void {
  const { now } = context.state;
  for (const worker of generation.workers) {
    const { life } = worker;
    if (life.name === 'up' && life.waiting.includes('uptime')) {
      if (now >= life.since + generation.settings.reloadUptime)
        passGate(context, generation, worker, 'uptime');
    } else if (life.name === 'backoff') {
      if (now >= life.until) spawnWorker(context, generation, worker);
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
