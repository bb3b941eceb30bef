import { FIRST_LISTEN_FD } from '../../common/socket-variables.ts';
import type { Handed, Variables } from './convention.ts';

/** True if the sockets are exactly the descriptors 3..n+2, the only range that LISTEN_FDS can describe. */
export function fitsListenFds(listeners: readonly { readonly target: number }[]): boolean {
  const targets = listeners.map(({ target }) => target).sort((a, b) => a - b);
  return targets.length > 0 && targets.every((target, index) => target === FIRST_LISTEN_FD + index);
}

/**
 * sd_listen_fds_with_names(3): LISTEN_FDS and LISTEN_FDNAMES; the launcher adds LISTEN_PID. Empty if the numbers have a
 * gap: a consumer would mistake a closed or foreign descriptor for a socket.
 */
export function systemd({ listeners }: Handed): Variables {
  if (!fitsListenFds(listeners)) return {};
  return {
    LISTEN_FDS: String(listeners.length),
    LISTEN_FDNAMES: listeners.map(({ name }) => fdName(name)).join(':'),
  };
}

// systemd's fdname_is_valid(): printable ASCII without a colon, at most 255 bytes.
function fdName(name: string): string {
  return name.replace(/[^!-9;-~]/g, '_').slice(0, 255) || 'unknown';
}
