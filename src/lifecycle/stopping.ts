/*
 * Asks workers to stop, and kills them. A signal that could not be sent is sent again, until the kernel refuses it
 * permanently (EPERM). See the state `stopping` in worker.ts.
 */
import { formatDuration } from '../common/duration.ts';
import { type Context, emit, report, reportFailure } from './context.ts';
import type { Effect } from './effects.ts';
import type { Failure } from './facts.ts';
import type { Generation } from './generation.ts';
import { leaveQueues } from './lane.ts';
import { retryAfter } from './restart.ts';
import { keyOf, type State, workerOf } from './state.ts';
import type { Worker, WorkerLife } from './worker.ts';

/** After SIGKILL only the kernel can delay the exit of a process (state D). zero stops waiting after this time. */
export const KILL_TIME = 10_000;

/** Sends the shutdown signal to one worker. A worker that waits for its restart is not restarted. */
export function stopWorker(context: Context, generation: Generation, worker: Worker): void {
  const { life } = worker;
  const { shutdownSignal, shutdownTimeout } = generation.settings;
  const now = context.state.now;
  if (life.name === 'backoff') worker.life = { name: 'ended', exit: null };
  if (life.name !== 'up') return;
  const { pid, since, killed } = life;
  const subject = { generation: generation.id, worker: worker.index };
  if (life.hung) report(context, { event: 'worker_stall_ended', ...subject, how: 'stopping' });
  const wait = shutdownTimeout === 0 ? null : shutdownTimeout;
  // No signal reaches a worker that got SIGKILL.
  const killAt = killed ? now + KILL_TIME : wait === null ? null : now + wait;
  worker.life = { name: 'stopping', pid, since, killAt, killed, retry: null, refused: null };
  if (killed) return;
  emit(context, { type: 'signal', ...keyOf(generation, worker), pid, signal: shutdownSignal });
  report(context, { event: 'worker_signalled', ...subject, pid, signal: shutdownSignal });
  if (context.state.stop?.now) killWorker(context, generation, worker, 'stop now');
}

/** Sends SIGKILL to a worker that was asked to stop, and to its session. */
export function killWorker(context: Context, generation: Generation, worker: Worker, reason: string): void {
  const { life } = worker;
  if (life.name !== 'stopping' || life.killed || life.refused !== null) return;
  life.killed = true;
  life.retry = null;
  life.killAt = context.state.now + KILL_TIME;
  kill(context, generation, worker, life.pid, reason);
}

/** Sends SIGKILL to a worker that was not asked to stop. Its exit counts as a crash. */
export function killRunning(context: Context, generation: Generation, worker: Worker, reason: string): void {
  const { life } = worker;
  if (life.name !== 'up' || life.killed) return;
  life.killed = true;
  kill(context, generation, worker, life.pid, reason);
}

/**
 * Sends a signal that may not have been sent before the supervisor died. The worker gets its full time again.
 * @param signal null: SIGKILL
 */
export function sendAgain(
  context: Context,
  generation: Generation,
  worker: Worker,
  signal: string | null,
): void {
  const { life } = worker;
  const { now } = context.state;
  const key = keyOf(generation, worker);
  if (signal === null && (life.name === 'stopping' || life.name === 'up') && life.killed) {
    if (life.name === 'stopping') life.killAt = now + KILL_TIME;
    emit(context, { type: 'kill', ...key, pid: life.pid });
  } else if (signal !== null && life.name === 'stopping' && !life.killed) {
    if (life.killAt !== null) life.killAt = now + generation.settings.shutdownTimeout;
    emit(context, { type: 'signal', ...key, pid: life.pid, signal });
  }
}

/**
 * A signal that failed before the supervisor died is due again. The time that the worker has after it may have passed
 * meanwhile, so the worker gets its whole time once more.
 */
export function renewTime({ now }: State, { settings }: Generation, { life }: Worker): void {
  if (life.name !== 'stopping' || life.retry === null || life.killAt === null) return;
  life.killAt = now + (life.killed ? KILL_TIME : settings.shutdownTimeout);
}

function kill(context: Context, generation: Generation, worker: Worker, pid: number, reason: string): void {
  const key = keyOf(generation, worker);
  emit(context, { type: 'kill', ...key, pid });
  const subject = { generation: key.generation, worker: key.worker };
  report(context, { event: 'worker_killed', ...subject, pid, reason });
}

/** A signal could not be sent. If the kernel refuses it permanently, the worker is reported as not stoppable. */
export function onSignalFailed(
  context: Context,
  effect: Extract<Effect, { type: 'signal' | 'kill' }>,
  failure: Failure,
): void {
  const found = workerOf(context.state, effect);
  const life = found?.worker.life;
  if (!found || (life?.name !== 'stopping' && life?.name !== 'up')) return;
  const { generation, worker, pid } = effect;
  const signal = effect.type === 'kill' ? 'SIGKILL' : effect.signal;
  const { reason } = failure;
  const isFinal = failure.errno === 'EPERM';
  const known = life.name === 'stopping' && life.refused !== null;
  if (isFinal && !known)
    report(context, { event: 'worker_not_stoppable', generation, worker, pid, signal, reason });
  if (life.name === 'up') {
    // A hung worker: without a permanent refusal, the next check finds it hung again.
    life.killed = false;
    life.hung = isFinal;
    if (!isFinal) reportFailure(context, failure);
    return;
  }
  if (isFinal) {
    life.refused = reason;
    life.retry = null;
    life.killAt = null;
    if (context.state.stop) giveUp(context, found.generation, found.worker);
    return;
  }
  // The failed signal is an earlier one than the signal that is due now.
  if (effect.type === 'signal' && life.killed) return;
  if (life.retry === null) reportFailure(context, failure);
  life.retry = retryAfter(context.state.now, life.retry);
}

/** zero stops waiting for a process that no signal ends. */
export function giveUp(context: Context, generation: Generation, worker: Worker): void {
  const { life } = worker;
  if (life.name !== 'stopping') return;
  const message =
    life.refused === null
      ? `process ${life.pid} of generation ${generation.id} is still running ${KILL_TIME / 1000} s after SIGKILL (uninterruptible sleep, state D in ps); giving up on it`
      : `process ${life.pid} of generation ${generation.id} keeps running: ${life.refused}`;
  report(context, { event: 'error', step: 'kill', subject: `process ${life.pid}`, message });
  worker.life = { name: 'ended', exit: null };
  leaveQueues(context.state, generation, worker);
}

/** Sends SIGKILL when a worker's time has expired, and repeats signals that are due again. */
export function tickStopping(
  context: Context,
  generation: Generation,
  worker: Worker,
  life: Extract<WorkerLife, { name: 'stopping' }>,
): void {
  const { now } = context.state;
  if (life.killAt !== null && now >= life.killAt) {
    const { shutdownTimeout } = generation.settings;
    if (life.killed) giveUp(context, generation, worker);
    else killWorker(context, generation, worker, `it did not stop within ${formatDuration(shutdownTimeout)}`);
    return;
  }
  if (life.retry === null || now < life.retry.at) return;
  // The answer comes at once. Without an answer, this attempt counts as failed.
  life.retry = { ...life.retry, at: now + KILL_TIME };
  const key = keyOf(generation, worker);
  if (life.killed) emit(context, { type: 'kill', ...key, pid: life.pid });
  else emit(context, { type: 'signal', ...key, pid: life.pid, signal: generation.settings.shutdownSignal });
}

/** Whether an earlier attempt to send the signal has failed. */
export function isRepeated(state: State, effect: Extract<Effect, { type: 'signal' | 'kill' }>): boolean {
  const life = workerOf(state, effect)?.worker.life;
  return life?.name === 'stopping' && life.retry !== null;
}

/** A signal was sent. */
export function onSignalled({ state }: Context, effect: Extract<Effect, { type: 'signal' | 'kill' }>): void {
  const life = workerOf(state, effect)?.worker.life;
  if (life?.name === 'stopping' && life.killed === (effect.type === 'kill')) life.retry = null;
}
