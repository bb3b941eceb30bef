import { errorText } from '../../common/errors.ts';
import { platform } from '../platform/index.ts';
import type { SupervisedBy } from '../seams.ts';
import {
  acknowledge,
  isUnderEinhorn,
  isUnderZero,
  type Notification,
  notification,
  supervisorOf,
} from './managers.ts';

/** Who starts new versions of this service, and the command for it; null where nobody does, and it may replace itself. */
export const supervisedBy: SupervisedBy = () => supervisorOf(surroundings());

/**
 * Tells everybody who waits for it that this process is ready: NOTIFY_SOCKET (zero, systemd), Einhorn, and a parent with an IPC channel
 * (pm2). Who cannot be told is named in a warning: a service that works goes on.
 * @param mainPid where another process is the main one from now on
 * @param drains zero need not wait for its connections before it asks it to leave; left out: where the shutdown signal does not just end it
 */
export async function tellManagers(mainPid?: number, drains = hearsShutdown()): Promise<void> {
  const around = surroundings();
  const { EINHORN_SOCK_PATH } = around.environment;
  await Promise.all([
    notify({ state: 'ready', mainPid: mainPid ?? null, drains: isUnderZero(around) && drains }),
    EINHORN_SOCK_PATH !== undefined && isUnderEinhorn(around)
      ? warnUnless('Einhorn', () => acknowledge(EINHORN_SOCK_PATH, around.pid))
      : undefined,
    process.connected ? warnUnless('the parent process', sendReady) : undefined,
  ]);
}

/** Tells zero that this process no longer promises to drain its own connections. */
export async function withdrawDrains(): Promise<void> {
  if (isUnderZero(surroundings())) await tell('X_ZERO_DRAINS=0');
}

/** Tells systemd that a new version is being loaded (Type=notify-reload); `tellManagers` ends that. */
export function tellReloading(): Promise<void> {
  return notify({ state: 'reloading', mainPid: null, drains: false });
}

const notify = (what: Notification): Promise<void> => tell(notification(what, process.hrtime.bigint()));

async function tell(text: string): Promise<void> {
  const { NOTIFY_SOCKET } = process.env;
  if (!NOTIFY_SOCKET) return;
  await warnUnless(`NOTIFY_SOCKET ${NOTIFY_SOCKET}`, () => platform.sendDatagram(NOTIFY_SOCKET, text), text);
}

/** pm2 takes this word (`wait_ready`). */
function sendReady(): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.('ready', undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

async function warnUnless(whom: string, tell: () => Promise<void>, text = 'ready'): Promise<void> {
  try {
    await tell();
  } catch (error) {
    const why = errorText(error);
    process.emitWarning(
      `${whom} was not notified of ${text.replaceAll('\n', ' ')}: ${why}`,
      'ZerodownWarning',
    );
  }
}

/** By default the signal ends the process at once, with all of its connections. */
function hearsShutdown(): boolean {
  return process.listenerCount(process.env.ZERO_SHUTDOWN_SIGNAL ?? 'SIGTERM') > 0;
}

function surroundings() {
  return { environment: process.env, pid: process.pid, ppid: process.ppid };
}
