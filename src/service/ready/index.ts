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

/**
 * The manager that starts new versions of this service, and its command; null if there is none and the service may
 * replace itself.
 */
export const supervisedBy: SupervisedBy = () => supervisorOf(surroundings());

/**
 * Reports to all managers that this process is ready: NOTIFY_SOCKET (zero, systemd), Einhorn, and a parent with an IPC
 * channel (pm2). A manager that cannot be reached is named in a warning, and the service keeps running.
 * @param mainPid the new main process, if it is another process
 * @param drains zero need not wait for the connections before it sends the shutdown signal. Default: true if the
 * shutdown signal does not simply end the process
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

/** Reports to zero that this process no longer promises to drain its own connections. */
export async function withdrawDrains(): Promise<void> {
  if (isUnderZero(surroundings())) await tell('X_ZERO_DRAINS=0');
}

/** Reports to systemd that a new version is being loaded (Type=notify-reload). `tellManagers` ends this state. */
export function tellReloading(): Promise<void> {
  return notify({ state: 'reloading', mainPid: null, drains: false });
}

const notify = (what: Notification): Promise<void> => tell(notification(what, process.hrtime.bigint()));

async function tell(text: string): Promise<void> {
  const { NOTIFY_SOCKET } = process.env;
  if (!NOTIFY_SOCKET) return;
  await warnUnless(`NOTIFY_SOCKET ${NOTIFY_SOCKET}`, () => platform.sendDatagram(NOTIFY_SOCKET, text), text);
}

/** pm2 expects this message (`wait_ready`). */
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

/**
 * Whether the process handles its shutdown signal. By default the signal ends the process and all of its connections at
 * once.
 */
function hearsShutdown(): boolean {
  return process.listenerCount(process.env.ZERO_SHUTDOWN_SIGNAL ?? 'SIGTERM') > 0;
}

function surroundings() {
  return { environment: process.env, pid: process.pid, ppid: process.ppid };
}
