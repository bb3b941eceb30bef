import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { Reaped } from '../../src/linux/processes.ts';

/** The usage of a process that has used nothing (getrusage(2)). */
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

/** A process known by pid and start time: a pid alone is given to somebody else once it is free. */
export interface KnownProcess {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/PID/stat (proc_pid_stat(5)). */
  readonly startTime: string;
}

interface Stat extends KnownProcess {
  /** The name of its program, at most 15 bytes. */
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly session: number;
}

/** Field 2, the name, may hold spaces and parentheses: what follows is counted from the last `)`. */
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

/** Who has this pid now; null when nobody has. */
export function identify(pid: number): KnownProcess | null {
  const stat = readStat(pid);
  return stat === null ? null : { pid, startTime: stat.startTime };
}

/** True while it runs; a zombie does not. */
export function isRunning(known: KnownProcess): boolean {
  const stat = readStat(known.pid);
  return stat !== null && stat.startTime === known.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Sends SIGKILL to exactly that process; false when it is gone. */
export function killKnown(known: KnownProcess): boolean {
  return signalKnown(known, 'SIGKILL');
}

function signalKnown(known: KnownProcess, signal: NodeJS.Signals): boolean {
  if (!isRunning(known)) return false;
  try {
    return process.kill(known.pid, signal);
  } catch {
    // It ended after the look.
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

/** The name of the executable. Node 24 and later give their main thread, and so the process, another name. */
function fileOf(pid: number): string | null {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return null;
  }
}

/** Pids whose session this is. */
export function sessionMembers(session: number): number[] {
  return everyProcess()
    .filter((stat) => stat.session === session)
    .map((stat) => stat.pid);
}

/** Kills what is left of the session that it leads. */
function killMembers(leader: KnownProcess): void {
  const now = identify(leader.pid);
  if (now !== null && now.startTime !== leader.startTime) return;
  for (const stat of everyProcess()) {
    if (stat.session === leader.pid && BigInt(stat.startTime) >= BigInt(leader.startTime)) killKnown(stat);
  }
}

/**
 * Kills the process, its children and all that is left of the sessions that they lead. A session's number cannot be given away while it
 * has a member (setsid(2)), so the members are its own unless its leader's pid already belongs to somebody else.
 */
export function killFamily(head: KnownProcess): void {
  // A stopped process starts no child between the look and the kill.
  const isStopped = signalKnown(head, 'SIGSTOP');
  const children = isStopped ? everyProcess().filter((stat) => stat.parent === head.pid) : [];
  // It goes last: one of them is the keeper, which would start a supervisor again that has died.
  for (const known of [...children, head]) {
    killKnown(known);
    killMembers(known);
  }
}
