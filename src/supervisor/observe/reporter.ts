import type { Fact } from '../../lifecycle/facts.ts';
import { errorFact } from '../run/boundary.ts';

/** The recipients of facts: the history, the log, the control socket, the dashboard. */
export interface FactReader {
  report(fact: Fact): void;
}

/** Gives every fact to every reader. An exception in one of them is reported to the others, and ends nothing. */
export class Reporter implements FactReader {
  readonly #readers: readonly FactReader[];

  constructor(readers: readonly FactReader[]) {
    this.#readers = readers;
  }

  /** Never throws. */
  report(fact: Fact): void {
    for (const reader of this.#readers) {
      const error = attempt(reader, fact);
      if (error === null) continue;
      const failure = errorFact(`report ${fact.event}`, error);
      // A reader that fails here too has failed before: that has been reported.
      for (const other of this.#readers) if (other !== reader) attempt(other, failure);
    }
  }
}

function attempt(reader: FactReader, fact: Fact): Error | null {
  try {
    reader.report(fact);
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
