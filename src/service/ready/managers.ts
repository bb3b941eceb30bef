import { platform } from '../platform/index.ts';

/** The process and its environment, as they decide who started it. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly ppid: number;
}

export function isUnderZero({ environment }: Surroundings): boolean {
  return environment.ZERO_GENERATION !== undefined;
}

/** Einhorn names itself, so that its grandchildren know that it does not speak to them. */
export function isUnderEinhorn({ environment, ppid }: Surroundings): boolean {
  return environment.EINHORN_MASTER_PID === String(ppid);
}

/**
 * Who starts new versions of this process, and the command that makes it do so. systemd does where it holds the sockets: what it only
 * started may replace itself, and says MAINPID=. Null where nobody does.
 * @param cgroup text of /proc/self/cgroup
 */
export function supervisorOf(
  surroundings: Surroundings,
  cgroup: () => string = platform.controlGroup,
): { manager: string; command: string } | null {
  const { environment, pid, ppid } = surroundings;
  if (isUnderZero(surroundings)) return { manager: 'zero', command: 'zero reload' };
  if (isUnderEinhorn(surroundings)) return { manager: 'Einhorn', command: 'einhornsh --execute upgrade' };
  if (environment.SERVER_STARTER_PORT !== undefined)
    return { manager: 'Server::Starter', command: `kill -HUP ${ppid}` };
  if (environment.LISTEN_FDS !== undefined && environment.LISTEN_PID === String(pid))
    return { manager: 'systemd', command: systemctl(cgroup()) };
  return null;
}

/** A service's control group is named after its unit (systemd.slice(5)); those of a user's manager are below `user@1000.service`. */
function systemctl(cgroup: string): string {
  const units = cgroup.match(/[^/\n]+\.service(?=[/\n]|$)/g) ?? [];
  const unit = units.at(-1) ?? 'UNIT';
  const user = units.length > 1 && units[0]?.startsWith('user@') ? ' --user' : '';
  return `systemctl${user} restart ${unit}`;
}
