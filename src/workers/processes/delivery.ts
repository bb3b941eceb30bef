import { isSystemFailure } from '../../common/errors.ts';
import type { Kernel } from '../../linux/kernel.ts';

/** An existing process that did not get a signal. */
export interface Refusal {
  readonly pid: number;
  /** The name of its program, at most 15 bytes (proc_pid_comm(5)); `and its session` if /proc cannot be listed. */
  readonly command: string;
  /** The errno name: EPERM for a process that zero may not signal, EMFILE, ENFILE or ENOMEM. */
  readonly errno: string;
}

/** The outcome of a signal to one or more processes. A process that had exited is in neither list. */
export interface Delivery {
  readonly signalled: readonly number[];
  readonly refused: readonly Refusal[];
}

export const NOBODY: Delivery = { signalled: [], refused: [] };

/** Sends a signal through the open pidfd of this process. Never throws for a refused signal. */
export function signalThrough(kernel: Kernel, pidfd: number, pid: number, signal: string): Delivery {
  return attempt(kernel, pid, () => kernel.sendSignal(pidfd, signal));
}

/**
 * Sends a signal to a process without an open pidfd: opens one, checks that the pid still means that process, and
 * signals through it. Works without a free descriptor. Never throws for a refused signal.
 * @param isMeant whether the pid still means the same process; called after the pidfd was opened, which is then its own
 */
export function signalOnce(kernel: Kernel, pid: number, signal: string, isMeant: () => boolean): Delivery {
  const send = () => {
    const pidfd = kernel.openPidfd(pid);
    try {
      return isMeant() && kernel.sendSignal(pidfd, signal);
    } finally {
      kernel.closeFd(pidfd);
    }
  };
  return attempt(kernel, pid, () => kernel.withSpare(send));
}

/** Merges several outcomes. */
export function joinDeliveries(deliveries: readonly Delivery[]): Delivery {
  return {
    signalled: deliveries.flatMap(({ signalled }) => signalled),
    refused: deliveries.flatMap(({ refused }) => refused),
  };
}

const ADVICE: Readonly<Record<string, string>> = {
  EPERM: 'Run zero as root with CAP_KILL, or as the user of that process.',
  EMFILE: "Raise zero's nofile limit.",
  ENFILE: 'Raise fs.file-max.',
};

/** Returns `cannot send SIGKILL to process 12 (sudo): EPERM. Run zero as root ...`. */
export function describeRefusal(signal: string, { pid, command, errno }: Refusal): string {
  const advice = ADVICE[errno];
  return `cannot send ${signal} to process ${pid} (${command}): ${errno}.${advice === undefined ? '' : ` ${advice}`}`;
}

/** A signal that did not reach all of its processes. */
export class SignalError extends Error {
  /** `process 12 (sudo)`. */
  readonly subject: string;
  /** EPERM if the kernel will refuse the next signal, too; otherwise an errno of a temporary failure. */
  readonly code: string;

  constructor(signal: string, refused: readonly Refusal[]) {
    super(refused.map((refusal) => describeRefusal(signal, refusal)).join(' '));
    this.name = 'SignalError';
    this.subject = refused.map(({ pid, command }) => `process ${pid} (${command})`).join(', ');
    this.code = refused.find(({ errno }) => errno !== 'EPERM')?.errno ?? 'EPERM';
  }
}

function attempt(kernel: Kernel, pid: number, send: () => boolean): Delivery {
  try {
    return send() ? { signalled: [pid], refused: [] } : NOBODY;
  } catch (error) {
    if (!isSystemFailure(error)) throw error;
    if (error.code === 'ESRCH') return NOBODY;
    const command = kernel.processStat(pid)?.comm ?? '';
    return { signalled: [], refused: [{ pid, command, errno: error.code }] };
  }
}
