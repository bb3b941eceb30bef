import type { Sink } from '../../writing/sink.ts';
import type { LineReceiver } from './line-forwarder.ts';
import { type OutputLineSource, outputLines } from './output-line.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Writes the output of a LineSplitter for one stream of a worker to an output file. If a part of a line is dropped, the
 * rest of the line is dropped, too. A newline ends the written part before the next line.
 */
export class FileForwarder implements LineReceiver {
  readonly #sink: Pick<Sink, 'offer' | 'drop'>;
  readonly #source: Omit<OutputLineSource, 'time'>;
  readonly #clock: () => number;
  /** A part of the current line was written. */
  #begun = false;
  #dropping = false;
  /** A started line has no newline yet. */
  #torn = false;

  /** @param clock milliseconds since 1970 */
  constructor(
    sink: Pick<Sink, 'offer' | 'drop'>,
    source: Omit<OutputLineSource, 'time'>,
    clock: () => number = Date.now,
  ) {
    this.#sink = sink;
    this.#source = source;
    this.#clock = clock;
  }

  add(bytes: Buffer, complete: boolean): void {
    if (this.#dropping || !this.#write(bytes, complete)) {
      this.#sink.drop(bytes);
      this.#torn ||= this.#begun;
      this.#dropping = !complete;
      this.#begun = false;
    } else {
      this.#begun = !complete;
    }
  }

  #write(bytes: Buffer, complete: boolean): boolean {
    const source = { ...this.#source, time: this.#clock() };
    const lines = outputLines(source, bytes, complete);
    const end = this.#torn ? outputLines(source, Buffer.from('\n'), true) : NOTHING;
    if (!this.#sink.offer(this.#torn ? Buffer.concat([end, lines]) : lines, this)) return false;
    this.#torn = false;
    return true;
  }
}
