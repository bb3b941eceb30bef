/*
 * Replaces a worker of the serving generation that fails its memory limit or its liveness check. A new worker joins
 * first (join.ts). When it is ready, the old worker retires. If the new worker fails, the old worker stays.
 *
 * One worker is replaced at a time. The next attempt waits after a failed attempt, and after a worker that had to be
 * replaced soon after its start: 10 s, then twice as long each time, at most 10 minutes.
 */
import { type Context, report } from './context.ts';
import type { Failure, ReplacementCause } from './facts.ts';
import type { Generation } from './generation.ts';
import { retireWorker } from './membership.ts';
import { noteReplacement } from './notifications.ts';
import { retryAfter } from './restart.ts';
import type { State } from './state.ts';
import type { Worker } from './worker.ts';

/** A worker that is replaced when another one has joined. */
export interface Replacement {
  readonly name: 'replace';
  readonly worker: number;
  readonly replacement: number;
  readonly cause: ReplacementCause;
  readonly reason: string;
}

const PAUSE = { initial: 10_000, factor: 2, max: 600_000 };

/** Whether a worker can be replaced now: no other change of its generation's workers is in progress. */
export function mayReplace(
  state: State,
  generation: Generation,
  { life, membership, rescue }: Worker,
): boolean {
  const { handover, pending, stop, join, now } = state;
  if (handover || pending || stop || join || generation.stage.name !== 'serving') return false;
  if (now < (generation.replacePause?.at ?? 0)) return false;
  return !rescue && membership === 'member' && life.name === 'up' && !life.killed;
}

/** The new worker is ready and has joined. The old one retires. */
export function completeReplacement(
  context: Context,
  generation: Generation,
  { worker, replacement, cause, reason }: Replacement,
  after: number,
): void {
  const { now } = context.state;
  const old = generation.workers[worker];
  if (!old) return;
  const uptime = old.life.name === 'up' ? now - old.life.since : 0;
  const isSound = uptime >= generation.settings.restart.resetAfter;
  generation.replacePause = isSound ? null : retryAfter(now, generation.replacePause, PAUSE);
  retireWorker(context, generation, old);
  const subject = { generation: generation.id, worker, replacement, cause };
  report(context, { event: 'worker_replaced', ...subject, after });
  noteReplacement(context, generation, { worker, replacement, cause, reason, outcome: 'replaced' });
}

/**
 * The new worker did not join. The old one stays and serves as well as it can. `counts`: the new worker failed. False
 * if another event ended the replacement.
 */
export function replacementFailed(
  context: Context,
  generation: Generation,
  { worker, replacement, cause, reason }: Replacement,
  { failure, counts }: { readonly failure: Failure; readonly counts: boolean },
): void {
  const { now } = context.state;
  if (counts) generation.replacePause = retryAfter(now, generation.replacePause, PAUSE);
  const subject = { generation: generation.id, worker, cause };
  const retryIn = Math.max(0, (generation.replacePause?.at ?? 0) - now);
  report(context, { event: 'worker_replacement_failed', ...subject, retryIn, failure });
  if (counts) noteReplacement(context, generation, { worker, replacement, cause, reason, outcome: 'failed' });
}
