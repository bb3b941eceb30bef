import { signalName, signalNumber } from '../../common/signals.ts';
import type { ExitStatus, Usage } from '../../lifecycle/facts.ts';
import type { ResourceUsage } from '../../linux/processes.ts';

/**
 * Decodes a wait status as the macros of wait(2) do: low 7 bits the signal, bit 7 the core dump, second byte the exit
 * code.
 */
export function exitStatusOf(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { kind: 'exited', code: (status >> 8) & 0xff };
  // A stopped child: wait4(2) reports one only with WUNTRACED.
  if (signal === 0x7f) return { kind: 'unknown' };
  return { kind: 'signaled', signal: signalName(signal), coreDumped: (status & 0x80) !== 0 };
}

/** The resources that a process and its waited-for descendants used, in seconds, bytes and counts. */
export function usageOf(usage: ResourceUsage): Usage {
  return {
    userSeconds: usage.utime,
    systemSeconds: usage.stime,
    maxRssBytes: usage.maxrss * 1024,
    minorFaults: usage.minflt,
    majorFaults: usage.majflt,
    diskReads: usage.inblock,
    diskWrites: usage.oublock,
    signals: usage.nsignals,
    voluntaryContextSwitches: usage.nvcsw,
    involuntaryContextSwitches: usage.nivcsw,
  };
}

/** The exit code of the supervisor for the exit of its service: 128 + the number of a signal that ended it. */
export function exitCodeOf(exit: ExitStatus): number {
  if (exit.kind === 'signaled') return 128 + signalNumber(exit.signal);
  return exit.kind === 'exited' ? exit.code : 1;
}
