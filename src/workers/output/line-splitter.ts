const NEWLINE = 10;

/** The longest piece of a line whose end has not come: what a service writes without newlines must not pile up. */
export const MAX_PIECE = 64 * 1024;

/**
 * Cuts a stream of bytes where lines end. `emit` gets either whole lines, newlines included (`complete`), or a piece of at most 64 KiB
 * of a line that goes on; all pieces of a line come one after the other, and its rest comes alone. Bytes are passed on as they are.
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

  /** The stream is over: a last line without its newline is emitted with one. */
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

  // Takes what belongs to the line that has begun.
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
    // A copy: the rest of a chunk would keep all of it in memory for as long as the line lasts.
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
