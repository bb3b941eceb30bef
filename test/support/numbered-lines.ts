import assert from 'node:assert/strict';

/** Distinct lines whose ends show whether a part is missing. */
export class NumberedLines {
  readonly #name: string;
  readonly #all: string[] = [];

  constructor(name = 'line') {
    this.#name = name;
  }

  /** At least this many bytes of further lines, with different lengths below 64 KiB. */
  next(bytes: number): Buffer {
    const lines: string[] = [];
    for (let length = 0; length < bytes; length += lines.at(-1)?.length ?? 0) {
      const number = this.#all.length;
      const filler = 'abcdefghij'.repeat(FILLERS[number % FILLERS.length] ?? 1);
      const line = `${this.#name} ${number} ${filler} end ${number}\n`;
      lines.push(line);
      this.#all.push(line);
    }
    return Buffer.from(lines.join(''));
  }

  get count(): number {
    return this.#all.length;
  }

  get bytes(): number {
    return this.#all.reduce((total, line) => total + line.length, 0);
  }

  /**
   * Fails unless `received` consists of these lines, complete and in order. Returns the number of missing lines and
   * their bytes.
   */
  missingFrom(received: Buffer): { lines: number; bytes: number } {
    const numbers = new Map(this.#all.map((line, number) => [line, number]));
    const lines = received.toString('latin1').split(/(?<=\n)/);
    let last = -1;
    for (const line of lines) {
      const number = numbers.get(line);
      assert.ok(number !== undefined, `not a whole line: ${line.slice(0, 60)}...${line.slice(-60)}`);
      assert.ok(number > last, `${this.#name} ${number} behind ${last}`);
      last = number;
    }
    return { lines: this.count - lines.length, bytes: this.bytes - received.length };
  }
}

const FILLERS = [1, 3, 100, 7, 2000, 0, 12, 6000, 1, 1, 500, 40];
