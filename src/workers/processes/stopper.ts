import { isOutOfReach, isSystemFailure } from '../../common/errors.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessStat } from '../../linux/procfs.ts';
import { NOTIFY_VARIABLES } from '../conventions/notify.ts';
import { type Delivery, joinDeliveries, type Refusal, signalOnce } from './delivery.ts';
import { isAlive } from './descendants.ts';
import type { ProcessTable } from './process-table.ts';

/** The worker whose remaining processes are searched. */
export interface Departed {
  /** Its session, which is the pid it was spawned with. */
  readonly session: number;
  /** Start time of that process in clock ticks since boot, from processStat(); 0 if unknown. */
  readonly since: number;
  readonly generation: number;
  readonly worker: number;
  /**
   * The path of its notify socket, for a worker that another supervisor started: the kernel gives the orphans of such a
   * worker to init, so only their environment identifies them. Otherwise this supervisor is the parent of its orphans.
   */
  readonly notifyPath?: string | null;
}

/** Remaining processes of a worker, without zombies. */
export interface Leftovers {
  /** Processes of its session. */
  readonly session: readonly number[];
  /** Processes with their own session, as daemons have, which are now children of this subreaper. */
  readonly orphans: readonly number[];
}

const MAX_ROUNDS = 10;

/**
 * Finds the remaining processes of a worker. A process that left the session and lost its parent belongs to this worker
 * if it started after the worker, is not in `known`, and its environment does not name another worker.
 * @param processes every process in /proc, listed after the main process was reaped
 */
export function leftovers(
  kernel: Kernel,
  departed: Departed,
  known: ReadonlySet<number>,
  processes: readonly ProcessStat[] = kernel.listProcesses(),
): Leftovers {
  const alive = processes.filter((process) => isAlive(process) && !known.has(process.pid));
  const session = alive.filter((process) => process.session === departed.session);
  const orphans = alive.filter((process) => isOrphanOf(kernel, process, departed));
  return { session: session.map(({ pid }) => pid), orphans: orphans.map(({ pid }) => pid) };
}

/**
 * Sends SIGKILL to every process of these sessions, repeatedly until no process is left that could have forked
 * meanwhile. A session id cannot mean a later session while a process is in this one: the kernel does not reuse a pid
 * that is a session id.
 * @param except processes that already got the signal
 */
export function killSessions(
  kernel: Kernel,
  sessions: readonly number[],
  except: ReadonlySet<number> = new Set(),
): Delivery {
  const wanted = new Set(sessions);
  return killUntilGone(kernel, sessions, ({ pid, session }) => wanted.has(session) && !except.has(pid));
}

/** Sends SIGKILL to a main process, through the pidfd that the table holds, and to every process of its session. */
export function killProcess(
  kernel: Kernel,
  table: ProcessTable,
  { pid, session }: { readonly pid: number; readonly session: number },
): Delivery {
  // First, because this does not depend on /proc.
  const main = table.signal(pid, 'SIGKILL');
  const tried = new Set([...main.signalled, ...main.refused.map((refusal) => refusal.pid)]);
  return joinDeliveries([main, killSessions(kernel, [session], tried)]);
}

/** Sends SIGKILL to the remaining processes of a worker whose main process has exited. */
export function killLeftovers(kernel: Kernel, departed: Departed, known: ReadonlySet<number>): Delivery {
  const isMeant = (process: ProcessStat) =>
    process.session === departed.session || isOrphanOf(kernel, process, departed);
  return killUntilGone(kernel, [departed.session], (process) => !known.has(process.pid) && isMeant(process));
}

function killUntilGone(
  kernel: Kernel,
  sessions: readonly number[],
  wanted: (process: ProcessStat) => boolean,
): Delivery {
  const deliveries: Delivery[] = [];
  const tried = new Set<number>();
  const own = kernel.processStat(kernel.pid)?.session ?? 0;
  const isWanted = (process: ProcessStat) =>
    isAlive(process) && !tried.has(process.pid) && wanted(process) && isForeign(kernel, process, own);
  const isStillWanted = (process: ProcessStat) => {
    try {
      return isWanted(process);
    } catch (error) {
      // It was a moment ago, and its start time is the same.
      if (isSystemFailure(error)) return true;
      throw error;
    }
  };
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    // A killed process may still look alive for a moment. Only a process that was not tried yet causes another round.
    const { found, refused } = look(kernel, sessions, isWanted);
    deliveries.push({ signalled: [], refused });
    if (found.length === 0) break;
    for (const { pid, startTime } of found) {
      // The pid may mean another process by now, and the process may have left the session with setsid(2).
      const isMeant = () => {
        const now = kernel.processStat(pid);
        return now !== null && now.startTime === startTime && isStillWanted(now);
      };
      deliveries.push(signalOnce(kernel, pid, 'SIGKILL', isMeant));
      tried.add(pid);
    }
  }
  return joinDeliveries(deliveries);
}

/** The wanted processes; a refusal for each whole session if /proc cannot be listed. */
function look(
  kernel: Kernel,
  sessions: readonly number[],
  isWanted: (process: ProcessStat) => boolean,
): { found: readonly ProcessStat[]; refused: readonly Refusal[] } {
  try {
    return { found: kernel.listProcesses().filter(isWanted), refused: [] };
  } catch (error) {
    if (!isSystemFailure(error)) throw error;
    const { code: errno } = error;
    return { found: [], refused: sessions.map((pid) => ({ pid, command: 'and its session', errno })) };
  }
}

// Never this process, its own session, init or kernel threads (session 0), whatever pid was requested.
function isForeign(kernel: Kernel, { pid, session }: ProcessStat, own: number): boolean {
  return pid > 1 && pid !== kernel.pid && session !== 0 && session !== own;
}

function isOrphanOf(kernel: Kernel, candidate: ProcessStat, departed: Departed): boolean {
  const { pid, ppid, session, startTime } = candidate;
  if (session === departed.session || startTime < departed.since) return false;
  if (ppid === kernel.pid) return !namesAnother(kernel, pid, departed);
  const { notifyPath } = departed;
  if (typeof notifyPath !== 'string') return false;
  const found = variables(kernel, pid);
  return NOTIFY_VARIABLES.some((name) => found?.get(name) === notifyPath);
}

// Every worker gets ZERO_GENERATION and ZERO_WORKER, and its descendants inherit them unless they change their
// environment.
function namesAnother(kernel: Kernel, pid: number, { generation, worker }: Departed): boolean {
  const found = variables(kernel, pid);
  const differs = (name: string, wanted: number) => (found?.get(name) ?? String(wanted)) !== String(wanted);
  return differs('ZERO_GENERATION', generation) || differs('ZERO_WORKER', worker);
}

/**
 * The initial environment of a process. Null if this user may not read it, or the process has exited. Throws any other
 * failure: a process must not stay behind because zero had no free descriptor for a moment.
 */
function variables(kernel: Kernel, pid: number): ReadonlyMap<string, string> | null {
  try {
    const entries = kernel.environmentOf(pid).map((entry) => entry.toString('latin1').split('='));
    // The first of two equal names counts (getenv(3)).
    return new Map(entries.reverse().map(([name = '', ...value]) => [name, value.join('=')]));
  } catch (error) {
    if (isOutOfReach(error)) return null;
    throw error;
  }
}
