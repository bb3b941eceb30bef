import { type Handed, isStream, type Variables } from './convention.ts';

/**
 * Einhorn: EINHORN_FD_COUNT and EINHORN_FD_0.. ordered by their numbers. EINHORN_MASTER_PID equals getppid(), which
 * shows a worker that the variables are meant for it. EINHORN_SOCK_PATH is left out: zero has no Einhorn command socket
 * for acknowledgements.
 */
export function einhorn({ listeners, supervisorPid }: Handed): Variables {
  const streams = listeners.filter(isStream);
  if (streams.length === 0) return {};
  const variables: Record<string, string> = { EINHORN_FD_COUNT: String(streams.length) };
  for (const [index, { target }] of streams.entries()) variables[`EINHORN_FD_${index}`] = String(target);
  variables.EINHORN_MASTER_PID = String(supervisorPid);
  return variables;
}
