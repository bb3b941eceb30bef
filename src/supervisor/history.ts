import fs from 'node:fs';
import path from 'node:path';
import type { Fact } from '../lifecycle/facts.ts';
import { withSpare } from '../linux/spare.ts';

type Finished = Extract<Fact, { event: 'handover_finished' }>;

/**
 * Appends the end of a handover to `history.jsonl` in the data directory: one JSON object a line, never changed afterwards.
 * @throws NodeJS.ErrnoException of the step that failed; the service is not touched by it
 */
export function recordHandover(dataDirectory: string, fact: Finished, wallClock: Date): void {
  fs.mkdirSync(dataDirectory, { recursive: true, mode: 0o750 });
  const { event: _, failure, ...rest } = fact;
  const reason = failure ? { step: failure.step, reason: failure.reason } : null;
  const line = JSON.stringify({ at: wallClock.toISOString(), ...rest, failure: reason });
  const file = path.join(dataDirectory, 'history.jsonl');
  withSpare(() => fs.appendFileSync(file, `${line}\n`, { mode: 0o640 }));
}
