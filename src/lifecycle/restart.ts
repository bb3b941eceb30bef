import type { ExitStatus } from './facts.ts';
import type { RestartSettings } from './settings.ts';

/** What the restart policy says of a worker that left: start it after `delay` ms, or not at all. */
export type Decision =
  | { readonly restart: true; readonly delay: number; readonly attempts: number }
  | { readonly restart: false };

/**
 * Decides whether and when a worker is started again.
 * @param attempts restarts in a row so far
 * @param uptime milliseconds the worker was up
 * @param daemonised it exited 0 and left descendants: that is a failure whatever the code says
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
