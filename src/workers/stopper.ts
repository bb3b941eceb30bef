import { readFileSync } from 'node:fs';
import { sendSignal } from '../linux/processes.ts';
import { listProcesses, type ProcessStat, processStat, splitAtNul } from '../linux/procfs.ts';

/** The worker whose remains are looked for. */
export interface Departed {
  /** Its session, which is the pid it was spawned with. */
  readonly session: number;
  /** Start time of that process in clock ticks since boot, from processStat(); 0 when it is not known. */
  readonly since: number;
  readonly generation: number;
  readonly worker: number;
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
 */
export function leftovers(departed: Departed, known: ReadonlySet<number>): Leftovers {
  const alive = listProcesses().filter(({ pid, state }) => isAlive(state) && !known.has(pid));
  const session = alive.filter((process) => process.session === departed.session);
  const orphans = alive.filter((process) => isOrphanOf(process, departed));
  return { session: session.map(({ pid }) => pid), orphans: orphans.map(({ pid }) => pid) };
}

/**
 * SIGKILL to every process of a session, again until none is left that could have forked meanwhile. Returns whom it was sent to. The
 * number cannot mean a later session while a process is in this one: the kernel keeps a pid for as long as it names a session.
 */
export function killSession(session: number): number[] {
  return killUntilGone((process) => process.session === session);
}

/** SIGKILL to what outlived a worker. Returns whom it was sent to. */
export function killLeftovers(departed: Departed, known: ReadonlySet<number>): number[] {
  return killUntilGone(
    (process) =>
      !known.has(process.pid) && (process.session === departed.session || isOrphanOf(process, departed)),
  );
}

function killUntilGone(wanted: (process: ProcessStat) => boolean): number[] {
  const killed = new Set<number>();
  const own = processStat(process.pid)?.session ?? 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    // A killed process can be seen alive for a moment more; only one that was not there before asks for another round.
    const found = listProcesses().filter(
      (process) =>
        isAlive(process.state) && !killed.has(process.pid) && wanted(process) && isNotOurs(process, own),
    );
    if (found.length === 0) break;
    for (const { pid } of found) {
      if (sendSignal(pid, 'SIGKILL')) killed.add(pid);
    }
  }
  return [...killed];
}

// Never this process, its own session, init or the kernel's threads (session 0), whatever number was asked for.
function isNotOurs({ pid, session }: ProcessStat, own: number): boolean {
  return pid > 1 && pid !== process.pid && session !== 0 && session !== own;
}

function isAlive(state: string): boolean {
  return state !== 'Z' && state !== 'X';
}

function isOrphanOf(candidate: ProcessStat, departed: Departed): boolean {
  if (candidate.ppid !== process.pid || candidate.session === departed.session) return false;
  return candidate.startTime >= departed.since && !namesAnother(candidate.pid, departed);
}

// Every worker was given ZERO_GENERATION and ZERO_WORKER, and its descendants have them unless they cleaned their environment.
function namesAnother(pid: number, { generation, worker }: Departed): boolean {
  try {
    const entries = splitAtNul(readFileSync(`/proc/${pid}/environ`)).map((entry) => entry.toString('latin1'));
    const found = (name: string) =>
      entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
    const wanted = [String(generation), String(worker)];
    return ['ZERO_GENERATION', 'ZERO_WORKER'].some(
      (name, index) => (found(name) ?? wanted[index]) !== wanted[index],
    );
  } catch {
    return false;
  }
}
