const NEWLINE = 10;

/** Longer lines are cut, so that a report stays readable and 200 lines need less than a megabyte. */
export const MAX_TAIL_LINE = 4096;

/** The last lines of a stream. */
export class Tail {
  readonly #limit: number;
  #lines: Buffer[] = [];
  #open: Buffer | null = null;

  constructor(limit = 200) {
    this.#limit = limit;
  }

  /** Adds the output of a LineSplitter: whole lines, or a piece of an unfinished one. */
  add(bytes: Buffer, complete: boolean): void {
    if (this.#open !== null || !complete) {
      // Only the beginning of a long line is kept.
      const open = this.#open ?? Buffer.alloc(0);
      this.#open = Buffer.concat([open, bytes.subarray(0, MAX_TAIL_LINE - open.length)]);
      if (complete) this.#push([this.#open]);
      if (complete) this.#open = null;
      return;
    }
    this.#push(lastLines(bytes, this.#limit));
  }

  /** The last `count` lines as text, oldest first. Invalid UTF-8 becomes U+FFFD; control characters are removed. */
  lines(count = this.#limit): string[] {
    const all = this.#open === null ? this.#lines : [...this.#lines, this.#open];
    return count <= 0 ? [] : all.slice(-count).map(toText);
  }

  #push(lines: readonly Buffer[]): void {
    this.#lines = [...this.#lines, ...lines].slice(-this.#limit);
  }
}

// Truncated copies: a slice would keep its whole chunk in memory.
function lastLines(block: Buffer, limit: number): Buffer[] {
  const found: Buffer[] = [];
  for (let end = block.length - 1; end >= 0 && found.length < limit; ) {
    const start = end === 0 ? 0 : block.lastIndexOf(NEWLINE, end - 1) + 1;
    found.push(Buffer.from(block.subarray(start, Math.min(end, start + MAX_TAIL_LINE))));
    end = start - 1;
  }
  return found.reverse();
}

// Escape sequences of a service would affect the terminal of a report's reader.
function toText(line: Buffer): string {
  const text = line.toString().replace(/\r?\n?$/, '');
  return text.replace(/\t/g, '  ').replace(/\p{Cc}/gu, '');
}
