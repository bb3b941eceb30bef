import type { Sink } from './sink.ts';

/** Takes what a LineSplitter emits. */
export interface LineReceiver {
  add(bytes: Buffer, complete: boolean): void;
}

/** What a LineSplitter emits goes to a sink; a line of which a piece was dropped is dropped to its end, and what was written of it ended. */
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
