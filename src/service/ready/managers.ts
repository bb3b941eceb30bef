import { connect } from 'node:net';
import { formatDuration } from '../../common/duration.ts';
import { platform } from '../platform/index.ts';

/** How long the manager may take to accept a line of 40 bytes, in ms. */
const EINHORN_TIMEOUT = 5_000;

/** A notification on NOTIFY_SOCKET (sd_notify(3)). */
export interface Notification {
  /** The process is ready, or is loading its next version (systemd's Type=notify-reload). */
  readonly state: 'ready' | 'reloading';
  /** The new main process; null if the main process stays the same. */
  readonly mainPid: number | null;
  /** The process finishes its connections itself on its shutdown signal, so zero does not wait for them first. */
  readonly drains: boolean;
}

/** @param monotonic nanoseconds of CLOCK_MONOTONIC */
export function notification({ state, mainPid, drains }: Notification, monotonic: bigint): string {
  const lines = state === 'ready' ? ['READY=1'] : ['RELOADING=1', `MONOTONIC_USEC=${monotonic / 1_000n}`];
  if (mainPid !== null) lines.unshift(`MAINPID=${mainPid}`);
  if (drains) lines.push('X_ZERO_DRAINS=1');
  return lines.join('\n');
}

/** The process and its environment, which identify the program that started it. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly ppid: number;
}

export function isUnderZero({ environment }: Surroundings): boolean {
  return environment.ZERO_GENERATION !== undefined;
}

/** Einhorn publishes its pid, so that its grandchildren recognise that the variables are not for them. */
export function isUnderEinhorn({ environment, ppid }: Surroundings): boolean {
  return environment.EINHORN_MASTER_PID === String(ppid);
}

/**
 * The manager that starts new versions of this process, and its command. This is systemd if systemd holds the sockets:
 * a service that systemd only started may replace itself and send MAINPID=. Null if there is no manager.
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

/**
 * A service's control group has the name of its unit (systemd.slice(5)). Units of a user's manager are below
 * `user@1000.service`.
 */
function systemctl(cgroup: string): string {
  const units = cgroup.match(/[^/\n]+\.service(?=[/\n]|$)/g) ?? [];
  const unit = units.at(-1) ?? 'UNIT';
  const user = units.length > 1 && units[0]?.startsWith('user@') ? ' --user' : '';
  return `systemctl${user} restart ${unit}`;
}

/**
 * Sends the acknowledgement that Einhorn waits for before it counts a worker as up. Rejects with the reason if that
 * fails.
 */
export function acknowledge(path: string, pid: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setTimeout(EINHORN_TIMEOUT, () =>
      socket.destroy(new Error(`no answer for ${formatDuration(EINHORN_TIMEOUT)}`)),
    );
    socket.once('error', reject);
    socket.once('close', () => resolve());
    socket.end(`${JSON.stringify({ command: 'worker:ack', pid })}\n`, () => socket.destroy());
  });
}
