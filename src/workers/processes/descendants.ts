import type { ProcessCalls } from '../../linux/kernel.ts';
import type { ProcessStat } from '../../linux/procfs.ts';

/**
 * True when `ancestor` is the parent, or the parent's parent and so on, of `pid`. False also when a process between the two has ended:
 * the kernel keeps no other trace of the descent, and gives the orphan to the subreaper.
 */
export function isDescendantOf(kernel: ProcessCalls, pid: number, ancestor: number): boolean {
  // The bound is for a chain that changes while it is read: a pid could be used again in it.
  for (let current = pid, steps = 0; current > 1 && steps < 1000; steps += 1) {
    const parent = kernel.processStat(current)?.ppid;
    if (parent === undefined) return false;
    if (parent === ancestor) return true;
    current = parent;
  }
  return false;
}

/**
 * True when a service may name `pid` as its MAINPID: a live process that descends from its main process, or is of its session, which
 * only descendants of the session's leader can be (setsid(2)) and which therefore outlives the descent.
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

/** The processes that descend from a process now. Throws the file system's error when /proc cannot be listed. */
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
