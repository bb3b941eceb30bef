import type { ExitDocument, FailureDocument } from '../../facts/parts.ts';
import type { ExitStatus, Failure } from '../../lifecycle/facts.ts';
import type { Retry } from '../../lifecycle/restart.ts';
import type { GenerationDocument } from './version-2.ts';

/* The inverse of write-parts.ts. */

type RetryDocument = NonNullable<GenerationDocument['backlog_retry']>;

export function exitOf(document: ExitDocument): ExitStatus {
  if (document.kind !== 'signaled') return document;
  const { kind, signal, core_dumped: coreDumped } = document;
  return { kind, signal, coreDumped };
}

export function failureOf({ exit, ...failure }: FailureDocument): Failure {
  return { ...failure, ...(exit !== undefined && { exit: exitOf(exit) }) };
}

export function retryOf({ at_monotonic_ms: at, attempts }: RetryDocument): Retry {
  return { at, attempts };
}
