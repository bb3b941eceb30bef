import { failureDocument as withOutput } from '../../facts/parts.ts';
import type { Failure } from '../../lifecycle/facts.ts';
import type { Retry } from '../../lifecycle/restart.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';

export { exitDocument } from '../../facts/parts.ts';

/** Omits the output of the worker, which may contain values of its environment. */
export function failureDocument(failure: Failure) {
  const { output: _, ...document } = withOutput(failure);
  return document;
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
