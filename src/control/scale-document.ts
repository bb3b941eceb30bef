import { failureDocument } from '../facts/parts.ts';
import type { ScaleResult } from '../lifecycle/scale.ts';
import type { ScaleDocument } from './protocol.ts';
import { PROTOCOL } from './version.ts';

/** How a request for another number of workers ended, as the control socket sends it. */
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
