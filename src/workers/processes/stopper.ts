import { isOutOfReach, isSystemFailure } from '../../common/errors.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessStat } from '../../linux/procfs.ts';
import { NOTIFY_VARIABLES } from '../conventions/notify.ts';
import { type Delivery, joinDeliveries, type Refusal, signalOnce } from './delivery.ts';
import { isAlive } from './descendants.ts';
import type { ProcessTable } from './process-table.ts';

/** The worker whose remains are looked for. */
export interface Departed {
  /** Its session, which is the pid it was spawned with. */
  readonly session: number;
  /** Start time of that process in clock ticks since boot, from processStat(); 0 when it is not known. */
  readonly since: number;
  readonly generation: number;
  readonly worker: number;
  /**
   * The path of its notify socket, of a worker that another supervisor started: the kernel gives the orphans of such a
   * worker to init, so they are known by their environment alone. Else this supervisor is the parent of its orphans.
   */
  readonly notifyPath?: string | null;
}

/** What outlived a worker's main process, zombies left out. */
export interface Leftovers {
  /** Of its session. */
  readonly session: readonly number[];
  /** With a session of their own, as daemons have, and children of this subreaper now. */
  readonly orphans: readonly number[];
}

const MAX_ROUNDS = 10;

/**
 * Finds what outlived a worker. A process that left the session and whose parent is gone is this worker's when it was born after the
 * worker, nobody waits for it (`known`), and its environment does not name another worker.
 * @param processes every process that /proc shows, listed after the main process was reaped
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
 * Sends SIGKILL to every process of a session, again until no process is left that could have forked meanwhile. The
 * session number cannot mean a later session while a process is in this one: the kernel keeps a pid as long as it names
 * a session.
 * @param except processes that got the signal already
 */
export function killSession(
  kernel: Kernel,
  session: number,
  except: ReadonlySet<number> = new Set(),
): Delivery {
  return killUntilGone(kernel, session, ({ pid, session: own }) => own === session && !except.has(pid));
}

/** Sends SIGKILL to a main process, through the pidfd that the table holds, and to every process of its session. */
export function killProcess(
  kernel: Kernel,
  table: ProcessTable,
  { pid, session }: { readonly pid: number; readonly session: number },
): Delivery {
  // First: this does not depend on /proc.
  const main = table.signal(pid, 'SIGKILL');
  const tried = new Set([...main.signalled, ...main.refused.map((refusal) => refusal.pid)]);
  return joinDeliveries([main, killSession(kernel, session, tried)]);
}

/** Sends SIGKILL to the remaining processes of a worker whose main process has exited. */
export function killLeftovers(kernel: Kernel, departed: Departed, known: ReadonlySet<number>): Delivery {
  const isMeant = (process: ProcessStat) =>
    process.session === departed.session || isOrphanOf(kernel, process, departed);
  return killUntilGone(kernel, departed.session, (process) => !known.has(process.pid) && isMeant(process));
}

function killUntilGone(kernel: Kernel, session: number, wanted: (process: ProcessStat) => boolean): Delivery {
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
    // A killed process can be seen alive for a moment more; only a process that was not tried yet asks for another
    // round.
    const { found, refused } = look(kernel, session, isWanted);
    deliveries.push({ signalled: [], refused });
    if (found.length === 0) break;
    for (const { pid, startTime } of found) {
      // The number may mean another process by now, and the process may have left the session by setsid(2).
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

/** The processes that are wanted; a refusal on behalf of the whole session when /proc cannot be listed. */
function look(
  kernel: Kernel,
  session: number,
  isWanted: (process: ProcessStat) => boolean,
): { found: readonly ProcessStat[]; refused: readonly Refusal[] } {
  try {
    return { found: kernel.listProcesses().filter(isWanted), refused: [] };
  } catch (error) {
    if (!isSystemFailure(error)) throw error;
    return { found: [], refused: [{ pid: session, command: 'and its session', errno: error.code }] };
  }
}

// Never this process, its own session, init or the kernel's threads (session 0), whatever number was requested.
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

// Every worker was given ZERO_GENERATION and ZERO_WORKER, and its descendants have them unless they cleaned their environment.
function namesAnother(kernel: Kernel, pid: number, { generation, worker }: Departed): boolean {
  const found = variables(kernel, pid);
  const differs = (name: string, wanted: number) => (found?.get(name) ?? String(wanted)) !== String(wanted);
  return differs('ZERO_GENERATION', generation) || differs('ZERO_WORKER', worker);
}

/**
 * The environment that a process was started with; null where this user may not read it, or the process has exited.
 * Throws any other failure: a process must not be left behind because zero had no descriptor for a moment.
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
