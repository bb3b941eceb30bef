import fs from 'node:fs';
import path from 'node:path';
import type { Fact } from '../lifecycle/facts.ts';
import { withSpare } from '../linux/spare.ts';
import { makeDirectory } from './directory.ts';

type Finished = Extract<Fact, { event: 'handover_finished' }>;

/** Where the ends of handovers are written down. */
export function historyFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'history.jsonl');
}

/**
 * Appends the end of a handover to `history.jsonl` in the data directory: one JSON object a line, never changed afterwards.
 * @throws NodeJS.ErrnoException of the step that failed; the service is not touched by it
 */
export function recordHandover(dataDirectory: string, fact: Finished, wallClock: Date): void {
  makeDirectory(dataDirectory, 0o750);
  const { event: _, failure, ...rest } = fact;
  const reason = failure ? { step: failure.step, reason: failure.reason } : null;
  const line = JSON.stringify({ at: wallClock.toISOString(), ...rest, failure: reason });
  const file = historyFile(dataDirectory);
  withSpare(() => appendWhole(file, `${line}\n`));
}

/** Appends all of it or nothing: a full disk takes the beginning of a line, and the next one would become part of it. */
function appendWhole(file: string, text: string): void {
  const fd = fs.openSync(file, 'a', 0o640);
  const { size } = fs.fstatSync(fd);
  try {
    fs.appendFileSync(fd, text);
  } catch (error) {
    fs.ftruncateSync(fd, size);
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}
