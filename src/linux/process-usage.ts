import { readFileSync } from 'node:fs';
import { Slices } from '../common/slices.ts';
import { processIds } from './procfs.ts';
import { WorkerFinder, type WorkerProcesses } from './worker-processes.ts';

/** Resources used by the processes of a worker. */
export interface ProcessUsage {
  /** User and system time of its running processes, and of their children that they have waited for. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** The same, while it is being summed. */
interface Sum {
  cpuSeconds: number;
  residentBytes: number;
  readonly pids: number[];
}

/** USER_HZ, the unit of proc_pid_stat(5): 100 on every supported architecture (include/asm-generic/param.h). */
const TICKS = 100;

/**
 * The usage of each of these workers that has processes. Reads each process on the machine once, in slices of
 * milliseconds.
 */
export async function processUsage<W extends WorkerProcesses>(
  workers: readonly W[],
  slices: Slices = new Slices(),
): Promise<Map<W, ProcessUsage>> {
  const sums = await readProcesses(workers, slices);
  return new Map(
    [...sums].map(([worker, { cpuSeconds, residentBytes }]) => [worker, { cpuSeconds, residentBytes }]),
  );
}

async function readProcesses<W extends WorkerProcesses>(
  workers: readonly W[],
  slices: Slices,
): Promise<Map<W, Sum>> {
  const finder = new WorkerFinder(workers);
  const found = new Map<W, Sum>();
  for (const pid of processIds()) {
    const usage = usageOf(pid);
    const worker = usage === null ? undefined : finder.find(pid, usage.session);
    if (usage !== null && worker !== undefined) {
      const sum = found.get(worker) ?? { cpuSeconds: 0, residentBytes: 0, pids: [] };
      sum.cpuSeconds += usage.ticks / TICKS;
      sum.residentBytes += residentBytes(pid);
      sum.pids.push(pid);
      found.set(worker, sum);
    }
    if (slices.isOver()) await slices.next();
  }
  return found;
}

/**
 * The memory of each of these workers, in bytes. Resident memory counts shared pages for each process. So if it is
 * above `limit`, the proportional share (PSS) is read instead, for which the kernel walks through all pages. If PSS may
 * not be read (ptrace(2), "Ptrace access mode checking"), the resident memory counts.
 */
export async function processMemory<W extends WorkerProcesses>(
  workers: readonly W[],
  limit: number,
): Promise<Map<W, number>> {
  const slices = new Slices();
  const used = new Map<W, number>();
  for (const [worker, { residentBytes: resident, pids }] of await readProcesses(workers, slices)) {
    let bytes = resident;
    if (resident > limit) {
      bytes = 0;
      for (const pid of pids) {
        bytes += proportionalBytes(pid) ?? residentBytes(pid);
        if (slices.isOver()) await slices.next();
      }
    }
    used.set(worker, bytes);
  }
  return used;
}

/** proc_pid_smaps_rollup(5). Null if it cannot be read. */
function proportionalBytes(pid: number): number | null {
  const kilobytes = /^Pss:\s*(\d+) kB$/m.exec(read(pid, 'smaps_rollup'))?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** Null: the process has exited. */
function usageOf(pid: number): { session: number; ticks: number } | null {
  const text = read(pid, 'stat');
  if (text === '') return null;
  // The name in parentheses may contain any character and ends at the last one. After it: state, ppid, pgrp, session,
  // ... utime, stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { session: Number(fields[3]), ticks };
}

/** In kB, not in pages, whose size differs (proc_pid_status(5)). An exited process has none. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024;
}

function read(pid: number, name: 'stat' | 'status' | 'smaps_rollup'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    // It exited meanwhile, or may not be read.
    return '';
  }
}
