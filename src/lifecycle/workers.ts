import { type Context, emit, report } from './context.ts';
import type { Of, WorkerKey } from './events.ts';
import type { ExitStatus, Failure } from './facts.ts';
import { seeQueue } from './lanes.ts';
import { decideRestart } from './restart.ts';
import { type Generation, handoverOf, type State, type Worker, workerOf } from './state.ts';

/** What outlives its main process gets this long to leave by itself (SPEC section 4). */
export const LEFTOVER_TIME = 2_000;

/** After SIGKILL a process can only be held up in the kernel (state D); the wait for it ends here. */
export const KILL_TIME = 10_000;

/** Orders the start of a worker in its place. */
export function spawnWorker(context: Context, generation: Generation, worker: Worker): void {
  worker.incarnation += 1;
  worker.life = { name: 'spawning' };
  const { lane, relief } = worker;
  emit(context, { type: 'spawn', ...keyOf(generation, worker), lane, relief });
}

export function keyOf(generation: Generation, worker: Worker): WorkerKey {
  return { generation: generation.id, worker: worker.index, incarnation: worker.incarnation };
}

export function onSpawned(context: Context, event: Of<'spawned'>): void {
  const found = workerOf(context.state, event);
  if (found?.worker.life.name !== 'spawning') return;
  const { generation, worker } = found;
  const now = context.state.now;
  worker.life = {
    name: 'up',
    pid: event.pid,
    since: now,
    waiting: [...generation.settings.gates, 'uptime'],
    readyAt: null,
    hung: false,
    killed: false,
    drains: false,
  };
  report(context, {
    event: 'worker_spawned',
    generation: event.generation,
    worker: event.worker,
    pid: event.pid,
  });
  // It was told to stop before it was there.
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
  report(context, { event: 'worker_ready', generation: generation.id, worker: worker.index, after });
}

/** A process left. Returns why that is a failure of its generation, or undefined where it was told to leave. */
export function onExited(context: Context, event: Of<'exited'>): Failure | undefined {
  const found = workerOf(context.state, event);
  if (!found) return undefined;
  const { generation, worker } = found;
  const { life } = worker;
  if (life.name !== 'up' && life.name !== 'stopping') return undefined;
  const now = context.state.now;
  const uptime = now - life.since;
  const expected = life.name === 'stopping';
  generation.usage = event.usage ?? generation.usage;
  report(context, {
    event: 'worker_exited',
    generation: generation.id,
    worker: worker.index,
    pid: life.pid,
    exit: event.exit,
    expected,
    usage: event.usage,
    uptime,
  });
  if (event.leftovers > 0) keepRemains(context, generation, worker);
  leaveQueue(context.state, worker);
  if (expected) {
    worker.life = { name: 'ended', exit: event.exit };
    return undefined;
  }
  const daemonised = event.leftovers > 0 && event.exit.kind === 'exited' && event.exit.code === 0;
  restartOrEnd(context, generation, worker, event.exit, uptime, daemonised);
  return {
    step: 'exit',
    reason: daemonised
      ? 'its main process exited and left a daemon behind: run it in the foreground'
      : (event.explained ?? describeExit(event.exit)),
    generation: generation.id,
    worker: worker.index,
    exit: event.exit,
    output: event.output,
  };
}

/**
 * What a process leaves in its queue nobody knows. Where new connections still go, somebody looks when they are steered away: the lane is not
 * past then. Where they never went there are none but probes of our own. A queue that is watched, as it is once a worker has been told to
 * stop, tells by itself. Elsewhere the lane is not quiet until somebody has looked.
 */
function leaveQueue(state: State, { lane }: Worker): void {
  const isAway = (state.lanes[lane]?.awayAt ?? null) !== null;
  if (isAway && !state.demands.attend.includes(lane)) seeQueue(state, lane, 1);
}

function keepRemains(context: Context, generation: Generation, worker: Worker): void {
  const key = keyOf(generation, worker);
  const wait = context.state.stop?.now ? 0 : LEFTOVER_TIME;
  generation.remains.push({
    worker: key.worker,
    incarnation: key.incarnation,
    until: context.state.now + wait,
  });
}

/** A worker could not be started. Returns why; it is tried again where its generation goes on. */
export function onSpawnFailed(context: Context, event: Of<'spawn_failed'>): Failure | undefined {
  const found = workerOf(context.state, event);
  if (found?.worker.life.name !== 'spawning') return undefined;
  const { generation, worker } = found;
  report(context, {
    event: 'worker_spawn_failed',
    generation: generation.id,
    worker: worker.index,
    step: event.failure.step,
    reason: event.failure.reason,
  });
  restartOrEnd(context, generation, worker, { kind: 'unknown' }, 0, false);
  return event.failure;
}

function restartOrEnd(
  context: Context,
  generation: Generation,
  worker: Worker,
  exit: ExitStatus,
  uptime: number,
  daemonised: boolean,
): void {
  const { settings } = generation;
  // Somebody must serve the lane that a relief is there for, whatever the policy says of the service.
  const restart = worker.relief ? { ...settings.restart, policy: 'always' as const } : settings.restart;
  const decision = decideRestart(restart, exit, worker.attempts, uptime, daemonised);
  if (!decision.restart) {
    // Where it ends the supervisor, the 0 of a service that went into the background would be taken for success.
    worker.life = { name: 'ended', exit: daemonised ? { kind: 'exited', code: 1 } : exit };
    return;
  }
  if (!mayRestart(context.state, generation, worker)) {
    worker.life = { name: 'ended', exit: null };
    return;
  }
  worker.attempts = decision.attempts;
  worker.life = { name: 'backoff', until: context.state.now + decision.delay };
  report(context, {
    event: 'worker_restarting',
    generation: generation.id,
    worker: worker.index,
    delay: decision.delay,
    attempt: decision.attempts,
  });
}

export function onLeftoversGone(context: Context, event: Of<'leftovers_gone'>): void {
  const generation = context.state.generations.find(({ id }) => id === event.generation);
  if (!generation) return;
  generation.remains = generation.remains.filter(
    ({ worker, incarnation }) => worker !== event.worker || incarnation !== event.incarnation,
  );
}

export function onPidChanged(context: Context, event: Of<'pid_changed'>): void {
  const found = workerOf(context.state, event);
  const life = found?.worker.life;
  if (life?.name !== 'up' && life?.name !== 'stopping') return;
  const { generation, worker, pid } = event;
  report(context, { event: 'worker_pid_changed', generation, worker, from: life.pid, pid });
  life.pid = pid;
}

export function onDrains(context: Context, event: Of<'drains'>): void {
  const life = workerOf(context.state, event)?.worker.life;
  if (life?.name === 'up') life.drains = true;
}

/** Neither one that leaves is started again, nor a candidate's while an incumbent serves: that one has failed. */
function mayRestart(state: State, { id, stage }: Generation, { leave }: Worker): boolean {
  const expendable = (handoverOf(state, id)?.incumbent ?? null) !== null && stage.name !== 'serving';
  return stage.name !== 'stopping' && stage.name !== 'retiring' && leave === null && !expendable;
}

/** Tells every worker of a generation to stop; nothing of it is started again. */
export function stopGeneration(context: Context, generation: Generation): void {
  if (generation.stage.name === 'stopping') return;
  const { name } = generation.stage;
  const retired =
    name === 'serving' || name === 'standby' || (name === 'retiring' && generation.stage.served);
  const since = generation.stage.name === 'retiring' ? generation.stage.since : context.state.now;
  generation.stage = { name: 'stopping', since, retired };
  if (retired && name !== 'retiring')
    report(context, { event: 'generation_retiring', generation: generation.id });
  for (const worker of generation.workers) stopWorker(context, generation, worker);
}

/** The shutdown signal to one worker; one that waits for its restart is not started again. */
export function stopWorker(context: Context, generation: Generation, worker: Worker): void {
  const { life } = worker;
  const { shutdownSignal, shutdownTimeout } = generation.settings;
  const now = context.state.now;
  if (life.name === 'backoff') worker.life = { name: 'ended', exit: null };
  if (life.name !== 'up') return;
  if (life.killed) {
    // No signal reaches it any more.
    worker.life = {
      name: 'stopping',
      pid: life.pid,
      since: life.since,
      killAt: now + KILL_TIME,
      killed: true,
    };
    return;
  }
  const killAt = shutdownTimeout === 0 ? null : now + shutdownTimeout;
  worker.life = { name: 'stopping', pid: life.pid, since: life.since, killAt, killed: false };
  const key = keyOf(generation, worker);
  emit(context, { type: 'signal', ...key, pid: life.pid, signal: shutdownSignal });
  report(context, {
    event: 'worker_signalled',
    generation: key.generation,
    worker: key.worker,
    pid: life.pid,
    signal: shutdownSignal,
  });
  if (context.state.stop?.now) killWorker(context, generation, worker, 'stop now');
}

/** SIGKILL to a worker that was told to stop, and to its session. */
export function killWorker(context: Context, generation: Generation, worker: Worker, reason: string): void {
  const { life } = worker;
  if (life.name !== 'stopping' || life.killed) return;
  life.killed = true;
  life.killAt = context.state.now + KILL_TIME;
  const key = keyOf(generation, worker);
  emit(context, { type: 'kill', ...key, pid: life.pid });
  report(context, {
    event: 'worker_killed',
    generation: key.generation,
    worker: key.worker,
    pid: life.pid,
    reason,
  });
}

/** SIGKILL to a worker that hangs; its end is a crash like any other. */
export function killHung(context: Context, generation: Generation, worker: Worker): void {
  const { life } = worker;
  if (life.name !== 'up' || life.killed) return;
  life.killed = true;
  const key = keyOf(generation, worker);
  emit(context, { type: 'kill', ...key, pid: life.pid });
  report(context, {
    event: 'worker_killed',
    generation: key.generation,
    worker: key.worker,
    pid: life.pid,
    reason: 'it hangs',
  });
}

/** Does what the deadlines of a generation's workers ask for. */
export function tickWorkers(context: Context, generation: Generation): void {
  const now = context.state.now;
  for (const worker of generation.workers) {
    const { life } = worker;
    if (life.name === 'up' && life.waiting.includes('uptime')) {
      if (now >= life.since + generation.settings.reloadUptime)
        passGate(context, generation, worker, 'uptime');
    } else if (life.name === 'backoff') {
      if (now >= life.until) spawnWorker(context, generation, worker);
    } else if (life.name === 'stopping' && life.killAt !== null && now >= life.killAt) {
      if (!life.killed) {
        killWorker(
          context,
          generation,
          worker,
          `it did not stop within ${generation.settings.shutdownTimeout} ms`,
        );
      } else {
        report(context, {
          event: 'error',
          step: 'kill',
          message: `process ${life.pid} of generation ${generation.id} did not leave ${KILL_TIME} ms after SIGKILL: the kernel holds it (state D in ps); it is given up`,
        });
        worker.life = { name: 'ended', exit: null };
        leaveQueue(context.state, worker);
      }
    }
  }
  for (const { worker, incarnation, until } of generation.remains) {
    if (now >= until)
      emit(context, { type: 'kill_leftovers', generation: generation.id, worker, incarnation });
  }
  generation.remains = generation.remains.filter(({ until }) => now < until);
}

/** The earliest time at which a worker of this generation wants a `tick`; Infinity for none. */
export function workersDeadline(generation: Generation): number {
  const deadlines = generation.workers.map(({ life }) => {
    if (life.name === 'up' && life.waiting.includes('uptime'))
      return life.since + generation.settings.reloadUptime;
    if (life.name === 'backoff') return life.until;
    if (life.name === 'stopping') return life.killAt ?? Number.POSITIVE_INFINITY;
    return Number.POSITIVE_INFINITY;
  });
  return Math.min(...deadlines, ...generation.remains.map(({ until }) => until));
}

/** `exited with code 3`, `was killed by SIGSEGV (core dumped)`. */
export function describeExit(exit: ExitStatus): string {
  if (exit.kind === 'exited') return `exited with code ${exit.code}`;
  if (exit.kind === 'signaled')
    return `was killed by ${exit.signal}${exit.coreDumped ? ' (core dumped)' : ''}`;
  return 'left; how is not known, because it was not a child of this supervisor';
}
