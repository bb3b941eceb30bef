/*
 * Remaining processes: those of a worker's session that outlive its main process. They may exit on their own for a
 * while: for the rest of shutdown_timeout if the worker was asked to stop, so that for example sshd's sessions can
 * finish, and for LEFTOVER_TIME if it exited unexpectedly. Then they get SIGKILL. Deadline: `until`, when SIGKILL is
 * due, or due again.
 */
import { type Context, emit, reportFailure } from './context.ts';
import type { Effect } from './effects.ts';
import type { Of, WorkerKey } from './events.ts';
import type { Failure } from './facts.ts';
import type { Generation } from './generation.ts';
import { type Retry, retryAfter } from './restart.ts';
import { generationOf } from './state.ts';
import type { WorkerLife } from './worker.ts';

export interface Remains {
  worker: number;
  incarnation: number;
  /** NO_END where shutdown_timeout is 0. */
  until: number;
  /** SIGKILL could not be sent and is sent again. */
  retry: Retry | null;
}

/** Remaining processes of a worker that exited unexpectedly get this long to exit on their own. */
export const LEFTOVER_TIME = 2_000;

/** A time that is never reached. It is finite, because the state is written as JSON. */
const NO_END = Number.MAX_SAFE_INTEGER;

/** Number of attempts to send SIGKILL when it fails for a temporary reason. */
const MAX_KILL_ATTEMPTS = 6;

/** An unanswered attempt is repeated after this time. */
const ANSWER_TIME = 10_000;

type KillLeftovers = Extract<Effect, { type: 'kill_leftovers' }>;

/** @param life the worker's life when its main process exited; null: that process was never recorded */
export function keepRemains(
  context: Context,
  generation: Generation,
  key: WorkerKey,
  life: Extract<WorkerLife, { name: 'up' | 'stopping' }> | null,
): void {
  const { worker, incarnation } = key;
  const { now, stop } = context.state;
  const until = stop?.now ? now : endOfTime(life, now);
  generation.remains.push({ worker, incarnation, until, retry: null });
}

function endOfTime(life: Extract<WorkerLife, { name: 'up' | 'stopping' }> | null, now: number): number {
  // SIGKILL went to the whole session, and a worker that no signal reaches has no deadline.
  if (life === null || life.name === 'up' || life.killed || life.refused !== null) return now + LEFTOVER_TIME;
  return life.killAt ?? NO_END;
}

export function onLeftoversGone({ state }: Context, event: Of<'leftovers_gone'>): void {
  forget(generationOf(state, event.generation), event);
}

/** SIGKILL was sent to all of them. */
export function onLeftoversKilled({ state }: Context, effect: KillLeftovers): void {
  forget(generationOf(state, effect.generation), effect);
}

/** SIGKILL could not be sent to all of them. zero reports a permanent refusal of the kernel and stops waiting. */
export function onKillLeftoversFailed(context: Context, effect: KillLeftovers, failure: Failure): void {
  const generation = generationOf(context.state, effect.generation);
  const remains = generation?.remains.find((one) => isOf(one, effect));
  if (!generation || !remains) return;
  if (remains.retry === null) reportFailure(context, failure);
  remains.retry = retryAfter(context.state.now, remains.retry);
  remains.until = remains.retry.at;
  const isFinal = failure.errno === 'EPERM' || remains.retry.attempts >= MAX_KILL_ATTEMPTS;
  if (isFinal) forget(generation, effect);
}

export function tickRemains(context: Context, generation: Generation): void {
  const { now } = context.state;
  for (const remains of generation.remains) {
    if (now < remains.until) continue;
    const { worker, incarnation } = remains;
    remains.until = now + ANSWER_TIME;
    emit(context, { type: 'kill_leftovers', generation: generation.id, worker, incarnation });
  }
}

/** The earliest time at which remaining processes of this generation want a `tick`; Infinity for none. */
export function remainsDeadline({ remains }: Generation): number {
  const deadlines = remains.map(({ until }) => until).filter((until) => until !== NO_END);
  return Math.min(Number.POSITIVE_INFINITY, ...deadlines);
}

function forget(generation: Generation | undefined, key: Omit<WorkerKey, 'generation'>): void {
  if (generation) generation.remains = generation.remains.filter((one) => !isOf(one, key));
}

function isOf(remains: Remains, { worker, incarnation }: Omit<WorkerKey, 'generation'>): boolean {
  return remains.worker === worker && remains.incarnation === incarnation;
}
