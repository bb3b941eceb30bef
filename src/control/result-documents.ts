import { failureDocument } from '../facts/parts.ts';
import type { ScaleResult } from '../lifecycle/scale.ts';
import type { Verdict } from '../lifecycle/verdicts.ts';
import type { ScaleDocument, VerdictDocument } from './protocol.ts';
import { PROTOCOL } from './version.ts';

/** A verdict as the control socket sends it. */
export function verdictDocument(verdict: Verdict): VerdictDocument {
  const { outcome, handover, generation, incumbent, label, down, duration, failure, hook } = verdict;
  return {
    version: PROTOCOL,
    outcome,
    handover,
    generation,
    incumbent,
    ...(label !== null && { label }),
    down: down && { retry_in_ms: down.retryIn === null ? null : Math.round(down.retryIn) },
    duration_ms: Math.round(duration),
    failure: failure && failureDocument(failure),
    ...(hook && { hook: failureDocument(hook) }),
  };
}

/** The result of a request for another number of workers, as the control socket sends it. */
export function scaleDocument(result: ScaleResult): ScaleDocument {
  const { outcome, generation, from, to, workers, duration, failure } = result;
  return {
    version: PROTOCOL,
    outcome,
    generation,
    from,
    to,
    workers,
    duration_ms: Math.round(duration),
    failure: failure && failureDocument(failure),
  };
}
