import type { Handed, Variables } from './convention.ts';

/** sd_notify(3): the worker's own datagram socket, a path or `@abstract`. */
export function notify({ notifyPath, watchdog }: Handed): Variables {
  if (notifyPath === null) return {};
  return { NOTIFY_SOCKET: notifyPath, ...(watchdog !== null && { WATCHDOG_USEC: microseconds(watchdog) }) };
}

/** sd_watchdog_enabled(3). */
function microseconds(ms: number): string {
  return String(Math.max(1, Math.round(ms * 1000)));
}

/**
 * The variables of a worker that contain the path of its own notify socket, which identifies its processes. The second
 * one is for a service that does not get the first.
 */
export const NOTIFY_VARIABLES = ['NOTIFY_SOCKET', 'ZERO_NOTIFY_SOCKET'] as const;

/** The variable of a worker that does not get NOTIFY_SOCKET. */
export function markOf({ notifyPath }: Handed): Variables {
  return notifyPath === null ? {} : { [NOTIFY_VARIABLES[1]]: notifyPath };
}
