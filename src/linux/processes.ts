import { call, callAbout, rawCall, tryCall } from './libc.ts';
import { signalName, signalNumber } from './signals.ts';

export { signalNumber } from './signals.ts';

/** What a process used, its waited-for descendants included (getrusage(2)). */
export interface Usage {
  userSeconds: number;
  systemSeconds: number;
  maxRssBytes: number;
  minorFaults: number;
  majorFaults: number;
  diskReads: number;
  diskWrites: number;
  signals: number;
  voluntaryContextSwitches: number;
  involuntaryContextSwitches: number;
}

export type ExitStatus =
  | { kind: 'exited'; code: number }
  | { kind: 'signaled'; signal: string; coreDumped: boolean }
  | { kind: 'unknown' };

const WNOHANG = 1;
const RUSAGE_SIZE = 144;
// Same numbers on every architecture: they are newer than the unified table (syscalls(2)).
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const PR_SET_CHILD_SUBREAPER = 36;

/** Waits for any one child that has ended, without blocking; null when none has, or there is no child. */
export function reapOne(): { pid: number; status: ExitStatus; usage: Usage } | null {
  const status = Buffer.alloc(4);
  const usage = Buffer.alloc(RUSAGE_SIZE);
  const pid = tryCall(['ECHILD'], 'wait4', -1, status, WNOHANG, usage);
  if (pid === 'ECHILD' || pid === 0) return null;
  return { pid, status: decodeStatus(status.readInt32LE(0)), usage: decodeUsage(usage) };
}

/** The macros of wait(2): low 7 bits are the signal, bit 7 the core dump, the second byte the exit code. */
export function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { kind: 'exited', code: (status >> 8) & 0xff };
  if (signal === 0x7f) return { kind: 'unknown' };
  return { kind: 'signaled', signal: signalName(signal), coreDumped: (status & 0x80) !== 0 };
}

/** struct rusage of getrusage(2): two timevals, then longs, of which Linux leaves several unused. */
export function decodeUsage(usage: Buffer): Usage {
  const long = (offset: number) => Number(usage.readBigInt64LE(offset));
  return {
    userSeconds: long(0) + long(8) / 1e6,
    systemSeconds: long(16) + long(24) / 1e6,
    maxRssBytes: long(32) * 1024,
    minorFaults: long(64),
    majorFaults: long(72),
    diskReads: long(88),
    diskWrites: long(96),
    signals: long(120),
    voluntaryContextSwitches: long(128),
    involuntaryContextSwitches: long(136),
  };
}

/**
 * kill(2) to one process; false when it does not exist. Throws SystemError EPERM, RangeError for an unknown signal and for
 * a pid that would mean a group or everybody.
 */
export function sendSignal(pid: number, signal: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) throw new RangeError(`not a process id: ${pid}`);
  return tryCall(['ESRCH'], 'kill', pid, signalNumber(signal)) !== 'ESRCH';
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
