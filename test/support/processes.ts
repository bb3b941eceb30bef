import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { Reaped } from '../../src/linux/processes.ts';

/** The usage of a process without any (getrusage(2)). */
export const NO_USAGE: Reaped['usage'] = {
  utime: 0,
  stime: 0,
  maxrss: 0,
  minflt: 0,
  majflt: 0,
  inblock: 0,
  oublock: 0,
  nsignals: 0,
  nvcsw: 0,
  nivcsw: 0,
};

/** A process identified by pid and start time, because the kernel reuses pids. */
export interface KnownProcess {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/PID/stat (proc_pid_stat(5)). */
  readonly startTime: string;
}

interface Stat extends KnownProcess {
  /** The name of its program, truncated to 15 bytes. */
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly session: number;
}

/** The name in field 2 may contain spaces and parentheses. The later fields are counted from the last `)`. */
function readStat(pid: number): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    command: text.slice(text.indexOf('(') + 1, text.lastIndexOf(')')),
    state: fields[0] ?? '?',
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTime: fields[19] ?? '',
  };
}

/** The process with this pid; null if there is none. */
export function identify(pid: number): KnownProcess | null {
  const stat = readStat(pid);
  return stat === null ? null : { pid, startTime: stat.startTime };
}

/** True while it runs. A zombie does not run. */
export function isRunning(known: KnownProcess): boolean {
  const stat = readStat(known.pid);
  return stat !== null && stat.startTime === known.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Sends SIGKILL to exactly that process; false if it has exited. */
export function killKnown(known: KnownProcess): boolean {
  return signalKnown(known, 'SIGKILL');
}

function signalKnown(known: KnownProcess, signal: NodeJS.Signals): boolean {
  if (!isRunning(known)) return false;
  try {
    return process.kill(known.pid, signal);
  } catch {
    // It exited after the check.
    return false;
  }
}

function everyProcess(): Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== null);
}

/** Pids of the children of a process that run this program. */
export function childrenOf(parent: number, command: string): number[] {
  return everyProcess()
    .filter((stat) => stat.parent === parent && (stat.command === command || fileOf(stat.pid) === command))
    .map((stat) => stat.pid);
}

/** The name of the executable. Node 24 and later rename their main thread, and with it the process. */
function fileOf(pid: number): string | null {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return null;
  }
}

/** Pids of the members of this session. */
export function sessionMembers(session: number): number[] {
  return everyProcess()
    .filter((stat) => stat.session === session)
    .map((stat) => stat.pid);
}

/** Kills the remaining members of the session of this leader. */
function killMembers(leader: KnownProcess): void {
  const now = identify(leader.pid);
  if (now !== null && now.startTime !== leader.startTime) return;
  for (const stat of everyProcess()) {
    if (stat.session === leader.pid && BigInt(stat.startTime) >= BigInt(leader.startTime)) killKnown(stat);
  }
}

/**
 * Kills the process, its children and the remaining processes of the sessions that they lead. The kernel does not reuse
 * the number of a session while it has a member (setsid(2)). So the members belong to the leader unless another process
 * has its pid.
 */
export function killFamily(head: KnownProcess): void {
  // A stopped process starts no child between the check and the kill.
  const isStopped = signalKnown(head, 'SIGSTOP');
  const children = isStopped ? everyProcess().filter((stat) => stat.parent === head.pid) : [];
  // The head is killed last: the keeper is one of the children, and would restart a dead supervisor.
  for (const known of [...children, head]) {
    killKnown(known);
    killMembers(known);
  }
}
