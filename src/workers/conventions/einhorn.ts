import { type Handed, isStream, type Variables } from './convention.ts';

/**
 * Einhorn: EINHORN_FD_COUNT and EINHORN_FD_0.. in the order of their numbers. EINHORN_MASTER_PID equals getppid(), which is how a
 * worker knows that the variables are meant for it. EINHORN_SOCK_PATH is left out: there is no Einhorn command socket to acknowledge on.
 */
export function einhorn({ listeners, supervisorPid }: Handed): Variables {
  const streams = listeners.filter(isStream);
  if (streams.length === 0) return {};
  const numbers = streams.map(({ target }, index) => [`EINHORN_FD_${index}`, String(target)]);
  return {
    EINHORN_FD_COUNT: String(streams.length),
    ...Object.fromEntries(numbers),
    EINHORN_MASTER_PID: String(supervisorPid),
  };
}
