import type { Handed, Variables } from './convention.ts';

/** sd_notify(3): the worker's own datagram socket, a path or `@abstract`. */
export function notify({ notifyPath }: Handed): Variables {
  return notifyPath === null ? {} : { NOTIFY_SOCKET: notifyPath };
}
