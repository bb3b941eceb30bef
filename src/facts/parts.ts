import type { ExitStatus, Failure, Usage } from '../lifecycle/facts.ts';

/** How a process exited; `unknown`: it was not a child of this supervisor (waitpid(2)). */
export type ExitDocument =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: string; readonly core_dumped: boolean }
  | { readonly kind: 'unknown' };

export interface FailureDocument {
  readonly step: string;
  readonly reason: string;
  readonly subject?: string;
  readonly errno?: string;
  readonly generation?: number;
  readonly worker?: number;
  readonly exit?: ExitDocument;
  /** The gates that have not passed, each with its last failure. */
  readonly gates?: readonly {
    readonly worker: number;
    readonly gate: string;
    readonly reason: string | null;
  }[];
  /** The worker's last lines of output, oldest first. */
  readonly output?: readonly string[];
}

/** getrusage(2) of a process. */
export interface UsageDocument {
  readonly user_seconds: number;
  readonly system_seconds: number;
  readonly max_rss_bytes: number;
  readonly minor_faults: number;
  readonly major_faults: number;
  readonly disk_reads: number;
  readonly disk_writes: number;
  readonly signals: number;
  readonly voluntary_context_switches: number;
  readonly involuntary_context_switches: number;
}

export function exitDocument(exit: ExitStatus): ExitDocument {
  switch (exit.kind) {
    case 'exited':
      return { kind: 'exited', code: exit.code };
    case 'signaled':
      return { kind: 'signaled', signal: exit.signal, core_dumped: exit.coreDumped };
    case 'unknown':
      return { kind: 'unknown' };
  }
}

export function failureDocument(failure: Failure): FailureDocument {
  const { step, reason, subject, errno, generation, worker, exit, gates, output } = failure;
  return {
    step,
    reason,
    ...(subject !== undefined && { subject }),
    ...(errno !== undefined && { errno }),
    ...(generation !== undefined && { generation }),
    ...(worker !== undefined && { worker }),
    ...(exit !== undefined && { exit: exitDocument(exit) }),
    ...(gates !== undefined && {
      gates: gates.map(({ worker: index, gate, reason: why }) => ({ worker: index, gate, reason: why })),
    }),
    ...(output !== undefined && { output }),
  };
}

export function usageDocument(usage: Usage): UsageDocument {
  const { user_seconds, system_seconds, ...counts } = exactUsage(usage);
  return { user_seconds: rounded(user_seconds), system_seconds: rounded(system_seconds), ...counts };
}

/** The same with every decimal, for the state file. */
export function exactUsage(usage: Usage): UsageDocument {
  return {
    user_seconds: usage.userSeconds,
    system_seconds: usage.systemSeconds,
    max_rss_bytes: usage.maxRssBytes,
    minor_faults: usage.minorFaults,
    major_faults: usage.majorFaults,
    disk_reads: usage.diskReads,
    disk_writes: usage.diskWrites,
    signals: usage.signals,
    voluntary_context_switches: usage.voluntaryContextSwitches,
    involuntary_context_switches: usage.involuntaryContextSwitches,
  };
}

/** Three decimals: clocks with fractions of a microsecond produce long numbers for short times. */
export function rounded(value: number, parts = 1000): number {
  return Math.round(value * parts) / parts;
}
