import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { withSpare } from './spare.ts';

/** Identifies one process: a pid is reused after its process has exited, but the pair of pid and start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot (proc(5)). */
  readonly startTime: number;
}

/**
 * Fields of /proc/PID/stat (proc(5)). `startTime` is in clock ticks since boot and distinguishes processes with a
 * reused pid.
 */
export interface ProcessStat {
  pid: number;
  comm: string;
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
  /** The device of its controlling terminal. 0 without one, also after that one was closed. */
  terminal: number;
  startTime: number;
  /** It has begun to exit (PF_EXITING, linux/sched.h): its descriptors are closed before its parent can reap it. */
  exiting: boolean;
}

const PF_EXITING = 0x4;

/**
 * Parses one line of /proc/PID/stat; null if it is invalid. The name stands in parentheses and may itself contain
 * spaces, parentheses and newlines: it ends at the last `)`.
 */
export function parseStat(text: string): ProcessStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open === -1 || close < open) return null;
  const pid = Number(text.slice(0, open));
  const [state, ppid, pgrp, session, ...rest] = text.slice(close + 2).split(' ');
  const [terminal, , flags] = rest;
  const startTime = rest[15];
  if (state === undefined || startTime === undefined || !Number.isInteger(pid)) return null;
  return {
    pid,
    comm: text.slice(open + 1, close),
    state,
    ppid: Number(ppid),
    pgrp: Number(pgrp),
    session: Number(session),
    terminal: Number(terminal),
    startTime: Number(startTime),
    exiting: (Number(flags) & PF_EXITING) !== 0,
  };
}

/** The state of a process in /proc, even of a zombie, or null if it does not exist. */
export function processStat(pid: number): ProcessStat | null {
  const text = readLine(`/proc/${pid}/stat`);
  return text === null ? null : parseStat(text);
}

/** Every process in /proc. */
export function listProcesses(): ProcessStat[] {
  const found: ProcessStat[] = [];
  for (const pid of processIds()) {
    const stat = processStat(pid);
    if (stat) found.push(stat);
  }
  return found;
}

/** Every pid in /proc. */
export function processIds(): number[] {
  return withSpare(() => readdirSync('/proc'))
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The numbers of a process's descriptors. None if it has exited or belongs to another user. */
export function descriptorNumbers(pid: number | 'self'): number[] {
  try {
    return withSpare(() => readdirSync(`/proc/${pid}/fd`)).map(Number);
  } catch {
    return [];
  }
}

/** The kernel's random id of this boot: pids and start times are only valid within one boot. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** The inode of this process's pid namespace: a pid is only valid within one namespace (pid_namespaces(7)). */
export function pidNamespace(): number {
  return statSync('/proc/self/ns/pid').ino;
}

/** A process's arguments. None if the process does not exist, or has none, like a kernel thread or a zombie. */
export function argumentsOf(pid: number): string[] {
  const bytes = readOrNull(`/proc/${pid}/cmdline`);
  return bytes === null ? [] : splitAtNul(bytes).map((argument) => argument.toString());
}

/**
 * The user of a process. Null if the process does not exist, or if its real, effective, saved and file system uid
 * differ. So a setuid program has no user here: a user other than the one it runs as chose its arguments, environment
 * and open descriptors, and can stop it before its first instruction (kill(2) checks the real uid).
 */
export function ownerOf(pid: number): number | null {
  const status = readOrNull(`/proc/${pid}/status`)?.toString('latin1');
  const [, first, ...others] = /^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$/m.exec(status ?? '') ?? [];
  return first !== undefined && others.every((uid) => uid === first) ? Number(first) : null;
}

/**
 * A process's arguments joined by spaces. Its name in brackets if it has none (like ps(1)), or '' if it does not exist.
 */
export function commandLine(pid: number): string {
  const text = readOrNull(`/proc/${pid}/cmdline`)?.toString().replace(/\0+$/, '').replaceAll('\0', ' ');
  if (text) return text;
  const stat = processStat(pid);
  return stat === null ? '' : `[${stat.comm}]`;
}

/**
 * This process's initial environment, each `NAME=value` byte for byte: process.env decodes as UTF-8 and would change
 * other bytes.
 */
export function rawEnvironment(): Buffer[] {
  return splitAtNul(readFileSync('/proc/self/environ'));
}

/** The pieces that end with NUL. A non-empty rest after the last NUL counts as a piece. */
export function splitAtNul(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let start = 0;
  while (start < bytes.length) {
    const nul = bytes.indexOf(0, start);
    const end = nul === -1 ? bytes.length : nul;
    pieces.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return pieces;
}

/** Longer than the line of any process: 51 numbers and a name of at most 64 bytes. */
const LINE = Buffer.alloc(4096);

/**
 * The content of a small file that one read(2) returns. readFileSync takes twice as long, and /proc has a file for each
 * process of the machine.
 */
function readLine(path: string): string | null {
  try {
    return withSpare(() => {
      const fd = openSync(path, 'r');
      try {
        return LINE.toString('utf8', 0, readSync(fd, LINE, 0, LINE.length, null));
      } finally {
        closeSync(fd);
      }
    });
  } catch {
    return null;
  }
}

// A process that exits between open and read gives ESRCH instead of ENOENT; a protected one EACCES or EPERM.
function readOrNull(path: string): Buffer | null {
  try {
    return withSpare(() => readFileSync(path));
  } catch {
    return null;
  }
}

/** A setting of the kernel, `net.ipv4.tcp_synack_retries`; null if this kernel does not have it, or a sandbox hides it. */
export function kernelSetting(name: string): string | null {
  return (
    readOrNull(`/proc/sys/${name.replaceAll('.', '/')}`)
      ?.toString('latin1')
      .trim() ?? null
  );
}
