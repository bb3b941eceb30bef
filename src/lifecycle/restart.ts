import { type Context, report } from './context.ts';
import type { ExitStatus } from './facts.ts';
import type { Generation } from './generation.ts';
import { leaveTakenLane } from './lane.ts';
import type { RestartSettings } from './settings.ts';
import { mayRestart } from './state.ts';
import type { Worker } from './worker.ts';

/** Decision of the restart policy for an exited worker: restart it after `delay` ms, or not at all. */
export type Decision =
  | { readonly restart: true; readonly delay: number; readonly attempts: number }
  | { readonly restart: false };

/**
 * Decides whether and when a worker is restarted.
 * @param attempts restarts in a row so far
 * @param uptime milliseconds the worker was up
 * @param daemonised it exited 0 and left descendants running, which is a failure regardless of the exit code
 */
export function decideRestart(
  settings: RestartSettings,
  exit: ExitStatus,
  attempts: number,
  uptime: number,
  daemonised: boolean,
): Decision {
  const clean = exit.kind === 'exited' && exit.code === 0 && !daemonised;
  if (settings.policy === 'never' || (settings.policy === 'on-failure' && clean)) return { restart: false };
  if (uptime >= settings.resetAfter) return { restart: true, delay: 0, attempts: 0 };
  return { restart: true, delay: backoffDelay(settings, attempts), attempts: attempts + 1 };
}

/** Delay before restart number `attempts` + 1 in a row, in milliseconds. */
export function backoffDelay(
  settings: Pick<RestartSettings, 'initial' | 'factor' | 'max'>,
  attempts: number,
): number {
  return Math.min(settings.max, settings.initial * settings.factor ** attempts);
}

/** A worker exited, or could not be started. It waits for its restart, or has ended. */
export function restartOrEnd(
  context: Context,
  generation: Generation,
  worker: Worker,
  exit: ExitStatus,
  uptime: number,
  daemonised: boolean,
): void {
  const { settings } = generation;
  // The queue of a rescue worker's lane must be served, regardless of the service's policy.
  const restart = worker.rescue ? { ...settings.restart, policy: 'always' as const } : settings.restart;
  const decision = decideRestart(restart, exit, worker.attempts, uptime, daemonised);
  if (!decision.restart) {
    // If this exit ends the supervisor, the 0 of a service that went into the background would look like success.
    worker.life = { name: 'ended', exit: daemonised ? { kind: 'exited', code: 1 } : exit };
    return;
  }
  if (!mayRestart(context.state, generation, worker)) {
    worker.life = { name: 'ended', exit: null };
    return;
  }
  const { attempts, delay } = decision;
  worker.attempts = attempts;
  worker.life = { name: 'backoff', until: context.state.now + delay };
  leaveTakenLane(context.state, generation, worker);
  const subject = { generation: generation.id, worker: worker.index };
  report(context, { event: 'worker_restarting', ...subject, delay, attempt: attempts });
}

/** A failed step that is repeated at `at`. */
export interface Retry {
  readonly at: number;
  /** Failures in a row, at least 1. */
  readonly attempts: number;
}

const BACKOFF = { initial: 100, factor: 2, max: 10_000 };

/** The next attempt after one more failure: 100 ms after the first, then twice as long each time, at most 10 s. */
export function retryAfter(now: number, before: Retry | null | undefined, backoff = BACKOFF): Retry {
  const attempts = (before?.attempts ?? 0) + 1;
  return { at: now + backoffDelay(backoff, attempts - 1), attempts };
}
