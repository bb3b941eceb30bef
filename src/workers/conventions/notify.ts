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
