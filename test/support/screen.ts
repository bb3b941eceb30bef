import type { Size } from './pty.ts';

// CSI sequences as ECMA-48 writes them: parameters, intermediates, one final byte.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with.
const SEQUENCE = /^\u001b\[([0-?]*)[ -/]*([@-~])/;

/**
 * The screen of a terminal, with the sequences that zero's commands use. Every other sequence throws, so that zero
 * writes nothing that only some terminals support. Lines that scroll out at the top are kept.
 */
export class Screen {
  #size: Size;
  #lines: string[] = [''];
  /** Index of the top line of the window in `#lines`. */
  #top = 0;
  #row = 0;
  #column = 0;
  #rest = '';
  /** Lines that were wider than the terminal. */
  readonly wrapped: string[] = [];
  /** Select Graphic Rendition: colours and the like. */
  coloured = false;

  constructor(size: Size) {
    this.#size = size;
  }

  resize(size: Size): void {
    this.#size = size;
  }

  /** All lines, oldest first, without trailing blanks. */
  get text(): string {
    return this.#lines.map((line) => line.trimEnd()).join('\n');
  }

  /** The visible lines. */
  get window(): string[] {
    return this.#lines.slice(this.#top).map((line) => line.trimEnd());
  }

  write(text: string): void {
    let rest = this.#rest + text;
    this.#rest = '';
    while (rest !== '') {
      if (rest[0] === '\u001b') {
        const found = SEQUENCE.exec(rest);
        if (found === null) {
          if (rest.length > 32 || (rest.length > 1 && rest[1] !== '['))
            throw new Error(`not understood: ${JSON.stringify(rest.slice(0, 32))}`);
          this.#rest = rest;
          return;
        }
        this.#sequence(found[2] ?? '', found[1] ?? '');
        rest = rest.slice(found[0].length);
      } else {
        const [character = ''] = rest;
        this.#put(character);
        rest = rest.slice(character.length);
      }
    }
  }

  #put(character: string): void {
    if (character === '\n') this.#down();
    else if (character === '\r') this.#column = 0;
    else if (character < ' ') throw new Error(`not understood: ${JSON.stringify(character)}`);
    else {
      if (this.#column >= this.#size.columns) {
        this.wrapped.push(this.#line());
        this.#column = 0;
        this.#down();
      }
      const line = this.#line().padEnd(this.#column);
      this.#lines[this.#at()] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
      this.#column += 1;
    }
  }

  #sequence(final: string, parameters: string): void {
    const count = Number(parameters || 1);
    switch (final) {
      case 'm':
        this.coloured = true;
        return;
      case 'A':
        this.#row = Math.max(0, this.#row - count);
        return;
      case 'H':
        this.#row = 0;
        this.#column = 0;
        return;
      case 'K':
        this.#lines[this.#at()] = this.#line().slice(0, this.#column);
        return;
      case 'J':
        this.#lines[this.#at()] = this.#line().slice(0, this.#column);
        this.#lines = this.#lines.slice(0, this.#at() + 1);
        return;
      default:
        throw new Error(`not understood: CSI ${parameters}${final}`);
    }
  }

  #down(): void {
    if (this.#row < this.#size.rows - 1) this.#row += 1;
    else this.#top += 1;
    while (this.#lines.length <= this.#at()) this.#lines.push('');
  }

  #at(): number {
    return this.#top + this.#row;
  }

  #line(): string {
    return this.#lines[this.#at()] ?? '';
  }
}
