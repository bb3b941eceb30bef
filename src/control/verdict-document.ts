import type { ExitStatus, Failure } from '../lifecycle/facts.ts';
import type { Verdict } from '../lifecycle/verdicts.ts';
import type { ExitDocument, FailureDocument, VerdictDocument } from './protocol.ts';

/** A verdict as it goes over the socket. */
export function verdictDocument({ duration, failure, hook, down, ...verdict }: Verdict): VerdictDocument {
  return {
    ...verdict,
    down: down && { retry_in_ms: down.retryIn === null ? null : Math.round(down.retryIn) },
    duration_ms: Math.round(duration),
    failure: failure && failureDocument(failure),
    ...(hook && { hook: failureDocument(hook) }),
  };
}

function failureDocument({ exit, stack: _, ...failure }: Failure): FailureDocument {
  return exit ? { ...failure, exit: exitDocument(exit) } : failure;
}

function exitDocument(exit: ExitStatus): ExitDocument {
  if (exit.kind !== 'signaled') return exit;
  return { kind: exit.kind, signal: exit.signal, core_dumped: exit.coreDumped };
}
