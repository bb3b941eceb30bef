import type { ExitStatus, Failure } from '../../lifecycle/facts.ts';
import type { Retry } from '../../lifecycle/retry.ts';
import type { ProcessIdentity } from '../process-identity.ts';

export function exitDocument(exit: ExitStatus) {
  switch (exit.kind) {
    case 'exited':
      return { kind: 'exited', code: exit.code } as const;
    case 'signaled':
      return { kind: 'signaled', signal: exit.signal, core_dumped: exit.coreDumped } as const;
    case 'unknown':
      return { kind: 'unknown' } as const;
  }
}

/** Without the output of the worker, which may contain values of its environment. */
export function failureDocument(failure: Failure) {
  const { step, reason, subject, errno, generation, worker, exit, gates } = failure;
  return {
    step,
    reason,
    ...(subject !== undefined && { subject }),
    ...(errno !== undefined && { errno }),
    ...(generation !== undefined && { generation }),
    ...(worker !== undefined && { worker }),
    ...(exit !== undefined && { exit: exitDocument(exit) }),
    ...(gates !== undefined && {
      gates: gates.map((open) => ({ worker: open.worker, gate: open.gate, reason: open.reason })),
    }),
  };
}

export function retryDocument({ at, attempts }: Retry) {
  return { at_monotonic_ms: at, attempts };
}

export function processDocument({ pid, startTime: start_time_ticks }: ProcessIdentity) {
  return { pid, start_time_ticks };
}

/** Maps a value that may be absent. */
export function orNull<Value, Result>(
  value: Value | null | undefined,
  map: (value: Value) => Result,
): Result | null {
  return value === null || value === undefined ? null : map(value);
}
