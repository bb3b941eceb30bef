import type { ExitStatus, Failure } from '../lifecycle/facts.ts';
import type { Verdict } from '../lifecycle/state.ts';
import type { ExitDocument, FailureDocument, VerdictDocument } from './protocol.ts';

/** A verdict as it goes over the socket. */
export function verdictDocument({ duration, failure, hook, ...verdict }: Verdict): VerdictDocument {
  return {
    ...verdict,
    duration_ms: Math.round(duration),
    failure: failure && failureDocument(failure),
    ...(hook && { hook: failureDocument(hook) }),
  };
}

function failureDocument({ exit, ...failure }: Failure): FailureDocument {
  return exit ? { ...failure, exit: exitDocument(exit) } : failure;
}

function exitDocument(exit: ExitStatus): ExitDocument {
  if (exit.kind !== 'signaled') return exit;
  return { kind: exit.kind, signal: exit.signal, core_dumped: exit.coreDumped };
}
