import { signalNumber } from '../common/signals.ts';
import { call, callAbout, rawCall, tryCall } from './libc.ts';

/** struct rusage of getrusage(2), without the fields that Linux leaves unused. Times in seconds, `maxrss` in KiB. */
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

/** A child that was waited for. `status` is the wait status of wait4(2), still encoded. */
export interface Reaped {
  readonly pid: number;
  readonly status: number;
  readonly usage: ResourceUsage;
}

const WNOHANG = 1;
const RUSAGE_SIZE = 144;
// Same numbers on every architecture: they are newer than the unified table (syscalls(2)).
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
const PR_SET_CHILD_SUBREAPER = 36;

/**
 * Waits for any one child that has ended, without blocking; null when none has, or there is no child. Throws
 * SystemError.
 */
export function reapOne(): Reaped | null {
  const status = Buffer.alloc(4);
  const usage = Buffer.alloc(RUSAGE_SIZE);
  const pid = tryCall(['ECHILD'], 'wait4', -1, status, WNOHANG, usage);
  if (pid === 'ECHILD' || pid === 0) return null;
  return { pid, status: status.readInt32LE(0), usage: readUsage(usage) };
}

// Two timevals, then longs.
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

/** A descriptor that means this process and no later one of the same number; readable once it has ended. Throws SystemError ESRCH. */
export function pidfdOpen(pid: number): number {
  return callAbout(`pidfd_open of process ${pid}`, 'syscall', SYS_PIDFD_OPEN, pid, 0, 0, 0);
}

/** pidfd_send_signal(2); false when the process has ended and was waited for. Throws SystemError EPERM. */
export function pidfdSignal(pidfd: number, signal: string): boolean {
  const number = signalNumber(signal);
  return tryCall(['ESRCH'], 'syscall', SYS_PIDFD_SEND_SIGNAL, pidfd, number, 0, 0) !== 'ESRCH';
}

/**
 * A close-on-exec duplicate of a descriptor of another process (pidfd_getfd(2)). Takes the right to trace that process:
 * root has it, and the same user where Yama does not restrict ptrace(2). Throws SystemError: EPERM without that right,
 * EBADF where the process has no such descriptor, ESRCH when it has exited.
 */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return callAbout(`descriptor ${fd} of another process`, 'syscall', SYS_PIDFD_GETFD, pidfd, fd, 0, 0);
}

/**
 * Makes this process the leader of a new session without a terminal (setsid(2)). False where it leads a process group
 * already.
 */
export function startSession(): boolean {
  return tryCall(['EPERM'], 'setsid') !== 'EPERM';
}

/** Makes this process the parent of its orphaned descendants (prctl(2), PR_SET_CHILD_SUBREAPER). Throws SystemError. */
export function becomeSubreaper(): void {
  call('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/**
 * Ends this process at once, as _exit(2) does: no handlers, and no waiting for threads. process.exit() waits for every call that is under
 * way in libuv's pool, however long that blocks.
 */
export function exitNow(code: number): void {
  rawCall('_exit', code);
}
