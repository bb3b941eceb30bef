import { asError } from '../../common/errors.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { errorFact } from '../run/boundary.ts';

/** The recipients of facts: the history, the log, the control socket, the dashboard. */
export interface FactReader {
  report(fact: Fact): void;
}

/** Passes every fact to every reader. An exception in one reader is reported to the others and does not stop them. */
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
      // A reader that fails here too failed with the fact itself, which has been reported.
      for (const other of this.#readers) if (other !== reader) attempt(other, failure);
    }
  }
}

function attempt(reader: FactReader, fact: Fact): Error | null {
  try {
    reader.report(fact);
    return null;
  } catch (error) {
    return asError(error);
  }
}
