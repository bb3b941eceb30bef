import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type ControlClient, controlClient } from '../../control/client.ts';
import { LOCK } from '../../supervisor/instance/instance.ts';
import { version } from '../version.ts';
import { type Instance, inodeOf, readInstance } from './record.ts';

/**
 * A client of an instance. The first request waits for a supervisor that runs and does not listen yet: one that starts,
 * or whose program is being replaced. It is sent again if such a supervisor has closed the connection unread.
 * @param patience milliseconds for an answer; omitted: the default
 */
export function clientOf(
  instance: Pick<Instance, 'runtimeDirectory' | 'controlSocket' | 'uid'>,
  patience?: number,
): ControlClient {
  const { controlSocket, uid } = instance;
  return controlClient({
    path: controlSocket,
    owner: uid,
    version,
    supervisor: () => supervisorOf(instance),
    ...(patience !== undefined && { patience }),
  });
}

/** The process in the record, if it has the lock of the instance. It keeps the lock when its program is replaced. */
function supervisorOf({ runtimeDirectory }: Pick<Instance, 'runtimeDirectory'>): number | null {
  // A supervisor that continues the service of a dead one has another pid.
  const pid = readInstance(runtimeDirectory, null)?.pid ?? null;
  const inode = inodeOf(path.join(runtimeDirectory, LOCK));
  return pid !== null && inode !== null && isLocked(inode, pid) ? pid : null;
}

/** Whether a process has a flock(2) on a file with this inode (proc_locks(5)). False if /proc cannot be read. */
function isLocked(inode: number, pid: number): boolean {
  try {
    const locks = readFileSync('/proc/locks', 'latin1').split('\n');
    return locks.some((line) => {
      const [, kind, , , holder, file = ''] = line.split(/ +/);
      return kind === 'FLOCK' && holder === `${pid}` && file.endsWith(`:${inode}`);
    });
  } catch {
    return false;
  }
}
