import type { Sink } from '../../writing/sink.ts';

/** Receives the output of a LineSplitter. */
export interface LineReceiver {
  add(bytes: Buffer, complete: boolean): void;
}

/**
 * Writes the output of a LineSplitter to a sink. If a piece of a line is dropped, the rest of the line is dropped, too,
 * and a newline ends the written part.
 */
export class LineForwarder implements LineReceiver {
  readonly #sink: Pick<Sink, 'write' | 'drop' | 'endLine'>;
  #dropping = false;

  constructor(sink: Pick<Sink, 'write' | 'drop' | 'endLine'>) {
    this.#sink = sink;
  }

  add(bytes: Buffer, complete: boolean): void {
    if (this.#dropping) {
      this.#sink.drop(bytes);
    } else if (!this.#sink.write(bytes, this, complete)) {
      this.#sink.endLine(this);
      this.#dropping = true;
    }
    if (complete) this.#dropping = false;
  }
}
