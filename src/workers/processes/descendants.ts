import type { ProcessCalls } from '../../linux/kernel.ts';
import type { ProcessStat } from '../../linux/procfs.ts';

/**
 * True if `ancestor` is the parent, or the parent's parent and so on, of `pid`. False, too, if a process in between has
 * exited: the kernel keeps no other record of the descent, and gives the orphan to the subreaper.
 */
export function isDescendantOf(kernel: ProcessCalls, pid: number, ancestor: number): boolean {
  // Bounded, because the chain may change while it is read: a pid in it could be reused.
  for (let current = pid, steps = 0; current > 1 && steps < 1000; steps += 1) {
    const parent = kernel.processStat(current)?.ppid;
    if (parent === undefined) return false;
    if (parent === ancestor) return true;
    current = parent;
  }
  return false;
}

/**
 * True if a service may announce `pid` as its MAINPID: a running process that descends from its main process, or
 * belongs to its session. Only descendants of the session's leader can be in it (setsid(2)), even after the descent is
 * lost.
 */
export function belongsTo(
  kernel: ProcessCalls,
  pid: number,
  worker: { readonly pid: number; readonly session: number },
): boolean {
  const stat = kernel.processStat(pid);
  if (stat === null || !isAlive(stat)) return false;
  return pid === worker.pid || stat.session === worker.session || isDescendantOf(kernel, pid, worker.pid);
}

/** The current descendants of a process. Throws the file system's error if /proc cannot be listed. */
export function descendantsOf(kernel: Pick<ProcessCalls, 'listProcesses'>, ancestor: number): ProcessStat[] {
  const all = kernel.listProcesses().filter(isAlive);
  const found: ProcessStat[] = [];
  let parents = new Set([ancestor]);
  while (parents.size > 0) {
    const children = all.filter(({ pid, ppid }) => parents.has(ppid) && pid !== ancestor);
    const more = children.filter((child) => !found.includes(child));
    found.push(...more);
    parents = new Set(more.map(({ pid }) => pid));
  }
  return found;
}

/** Whether a process exists and has not exited. */
export function isRunning(kernel: ProcessCalls, pid: number): boolean {
  const stat = kernel.processStat(pid);
  return stat !== null && isAlive(stat);
}

/** False for a zombie. */
export function isAlive({ state }: ProcessStat): boolean {
  return state !== 'Z' && state !== 'X';
}

/** Whether a process is still the one that was started at this time, and has not exited. A zombie holds nothing. */
export function isStillRunning(stat: ProcessStat | null, startTime: number): boolean {
  return stat !== null && stat.startTime === startTime && isAlive(stat);
}
