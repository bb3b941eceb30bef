import { type Handed, isStream, type Variables } from './convention.ts';

/**
 * Einhorn: EINHORN_FD_COUNT and EINHORN_FD_0.. in the order of their numbers. EINHORN_MASTER_PID equals getppid(), which is how a
 * worker knows that the variables are meant for it. EINHORN_SOCK_PATH is left out: there is no Einhorn command socket to acknowledge on.
 */
export function einhorn({ listeners, supervisorPid }: Handed): Variables {
  const streams = listeners.filter(isStream);
  if (streams.length === 0) return {};
  const variables: Record<string, string> = { EINHORN_FD_COUNT: String(streams.length) };
  for (const [index, { target }] of streams.entries()) variables[`EINHORN_FD_${index}`] = String(target);
  variables.EINHORN_MASTER_PID = String(supervisorPid);
  return variables;
}
