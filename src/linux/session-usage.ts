import { readFileSync } from 'node:fs';
import { processIds } from './procfs.ts';
import { Slices } from './slices.ts';

/** What the processes of a session use. */
export interface SessionUsage {
  /** User and system time of those that are there, and of their children that they have waited for. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** The same, while it is read. */
interface Sum {
  cpuSeconds: number;
  residentBytes: number;
  readonly pids: number[];
}

/** USER_HZ, the unit of proc_pid_stat(5): 100 on every architecture this runs on (include/asm-generic/param.h). */
const TICKS = 100;

/** Every session among these that has processes, by one look at each process there is, in slices of milliseconds. */
export async function sessionUsage(
  sessions: ReadonlySet<number>,
  slices: Slices = new Slices(),
): Promise<Map<number, SessionUsage>> {
  const sums = await readSessions(sessions, slices);
  return new Map(
    [...sums].map(([session, { cpuSeconds, residentBytes }]) => [session, { cpuSeconds, residentBytes }]),
  );
}

async function readSessions(sessions: ReadonlySet<number>, slices: Slices): Promise<Map<number, Sum>> {
  const found = new Map<number, Sum>();
  for (const pid of processIds()) {
    const usage = usageOf(pid, sessions);
    if (usage !== null) {
      const sum = found.get(usage.session) ?? { cpuSeconds: 0, residentBytes: 0, pids: [] };
      sum.cpuSeconds += usage.ticks / TICKS;
      sum.residentBytes += residentBytes(pid);
      sum.pids.push(pid);
      found.set(usage.session, sum);
    }
    if (slices.isOver()) await slices.next();
  }
  return found;
}

/**
 * The memory of each of these sessions, in bytes. Resident memory counts pages that processes share for each of them,
 * so where it is above `limit`, the proportional share (PSS) is read instead, which takes the kernel a walk through
 * all pages. Where PSS may not be read (ptrace(2), "Ptrace access mode checking"), the resident memory counts.
 */
export async function sessionMemory(
  sessions: ReadonlySet<number>,
  limit: number,
): Promise<Map<number, number>> {
  const slices = new Slices();
  const used = new Map<number, number>();
  for (const [session, { residentBytes: resident, pids }] of await readSessions(sessions, slices)) {
    let bytes = resident;
    if (resident > limit) {
      bytes = 0;
      for (const pid of pids) {
        bytes += proportionalBytes(pid) ?? residentBytes(pid);
        if (slices.isOver()) await slices.next();
      }
    }
    used.set(session, bytes);
  }
  return used;
}

/** proc_pid_smaps_rollup(5); null where it cannot be read. */
function proportionalBytes(pid: number): number | null {
  const kilobytes = /^Pss:\s*(\d+) kB$/m.exec(read(pid, 'smaps_rollup'))?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

function usageOf(pid: number, sessions: ReadonlySet<number>): { session: number; ticks: number } | null {
  const text = read(pid, 'stat');
  // The name in parentheses may contain anything: it ends at the last one. Behind it: state, ppid, pgrp, session, ... utime, stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const session = Number(fields[3]);
  if (!sessions.has(session)) return null;
  return { session, ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) };
}

/** In kB, and not in pages, whose size differs (proc_pid_status(5)); a process that has ended has none. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024;
}

function read(pid: number, name: 'stat' | 'status' | 'smaps_rollup'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    // It ended meanwhile, or may not be read.
    return '';
  }
}
