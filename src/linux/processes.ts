import { signalNumber } from '../common/signals.ts';
import { call, callAbout, rawCall, tryCall } from './libc.ts';

/** struct rusage of getrusage(2), without the fields that Linux does not use. Times in seconds, `maxrss` in KiB. */
export interface ResourceUsage {
  readonly utime: number;
  readonly stime: number;
  readonly maxrss: number;
  readonly minflt: number;
  readonly majflt: number;
  readonly inblock: number;
  readonly oublock: number;
  readonly nsignals: number;
  readonly nvcsw: number;
  readonly nivcsw: number;
}

/** A reaped child. `status` is the undecoded wait status of wait4(2). */
export interface Reaped {
  readonly pid: number;
  readonly status: number;
  readonly usage: ResourceUsage;
}

const WNOHANG = 1;
const RUSAGE_SIZE = 144;
// The same numbers on every architecture: the calls are newer than the unified table (syscalls(2)).
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
const PR_SET_CHILD_SUBREAPER = 36;

/**
 * Waits for any one exited child without blocking. Null if none has exited, or there is no child. Throws SystemError.
 */
export function reapOne(): Reaped | null {
  const status = Buffer.alloc(4);
  const usage = Buffer.alloc(RUSAGE_SIZE);
  const pid = tryCall(['ECHILD'], 'wait4', -1, status, WNOHANG, usage);
  if (pid === 'ECHILD' || pid === 0) return null;
  return { pid, status: status.readInt32LE(0), usage: readUsage(usage) };
}

// Two timevals, followed by longs.
function readUsage(usage: Buffer): ResourceUsage {
  const long = (offset: number) => Number(usage.readBigInt64LE(offset));
  return {
    utime: long(0) + long(8) / 1e6,
    stime: long(16) + long(24) / 1e6,
    maxrss: long(32),
    minflt: long(64),
    majflt: long(72),
    inblock: long(88),
    oublock: long(96),
    nsignals: long(120),
    nvcsw: long(128),
    nivcsw: long(136),
  };
}

/**
 * A descriptor that means this process and no later one with the same pid. Readable once it has exited. Throws
 * SystemError ESRCH.
 */
export function pidfdOpen(pid: number): number {
  return callAbout(`pidfd_open of process ${pid}`, 'syscall', SYS_PIDFD_OPEN, pid, 0, 0, 0);
}

/** pidfd_send_signal(2); false if the process has exited and was reaped. Throws SystemError EPERM. */
export function pidfdSignal(pidfd: number, signal: string): boolean {
  const number = signalNumber(signal);
  return tryCall(['ESRCH'], 'syscall', SYS_PIDFD_SEND_SIGNAL, pidfd, number, 0, 0) !== 'ESRCH';
}

/**
 * A close-on-exec duplicate of a descriptor of another process (pidfd_getfd(2)). Requires the right to trace that
 * process: root has it, and the same user unless Yama restricts ptrace(2). Throws SystemError: EPERM without that
 * right, EBADF if the process has no such descriptor, ESRCH if it has exited.
 */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return callAbout(`descriptor ${fd} of another process`, 'syscall', SYS_PIDFD_GETFD, pidfd, fd, 0, 0);
}

/**
 * Makes this process the leader of a new session without a terminal (setsid(2)). False if it already leads a process
 * group.
 */
export function startSession(): boolean {
  return tryCall(['EPERM'], 'setsid') !== 'EPERM';
}

/** Makes this process the parent of its orphaned descendants (prctl(2), PR_SET_CHILD_SUBREAPER). Throws SystemError. */
export function becomeSubreaper(): void {
  call('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/**
 * Ends this process at once, like _exit(2): runs no handlers and does not wait for threads. process.exit() waits for
 * every call in progress in libuv's pool, however long it blocks.
 */
export function exitNow(code: number): void {
  rawCall('_exit', code);
}
