const NEWLINE = 10;

/** The longest piece of an unfinished line: output without newlines must not fill the memory. */
export const MAX_PIECE = 64 * 1024;

/**
 * Splits a stream of bytes at line ends. `emit` receives either whole lines including newlines (`complete`), or a piece
 * of at most 64 KiB of an unfinished line. The pieces of a line follow each other, and its rest comes alone. Bytes are
 * not changed.
 */
export class LineSplitter {
  readonly #emit: (bytes: Buffer, complete: boolean) => void;
  #pending: Buffer[] = [];
  #pendingLength = 0;
  #inside = false;

  constructor(emit: (bytes: Buffer, complete: boolean) => void) {
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      at =
        this.#pendingLength > 0 || this.#inside ? this.#continueLine(chunk, at) : this.#wholeLines(chunk, at);
    }
  }

  /** The stream has ended. Emits a last line without a newline with one. */
  end(): void {
    if (this.#pendingLength === 0 && !this.#inside) return;
    this.#add(Buffer.of(NEWLINE));
    this.#flush(true);
  }

  #wholeLines(chunk: Buffer, at: number): number {
    const last = chunk.lastIndexOf(NEWLINE);
    if (last < at) return this.#continueLine(chunk, at);
    this.#emit(chunk.subarray(at, last + 1), true);
    return last + 1;
  }

  // Takes the continuation of the current line.
  #continueLine(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(NEWLINE, at);
    const end = newline === -1 ? chunk.length : newline + 1;
    const next = Math.min(end, at + MAX_PIECE - this.#pendingLength);
    this.#add(chunk.subarray(at, next));
    if (next === newline + 1) this.#flush(true);
    else if (this.#pendingLength === MAX_PIECE) this.#flush(false);
    return next;
  }

  #add(bytes: Buffer): void {
    // A copy: the rest of a chunk would keep the whole chunk in memory until the line ends.
    this.#pending.push(Buffer.from(bytes));
    this.#pendingLength += bytes.length;
  }

  #flush(complete: boolean): void {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingLength = 0;
    this.#inside = !complete;
    this.#emit(bytes, complete);
  }
}
