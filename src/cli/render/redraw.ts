import { columnsOf, startOf } from './columns.ts';
import type { Size, Terminal } from './style.ts';

// ECMA-48: cursor up, erase to the end of the line, of the screen; cursor to the top left.
const UP = (lines: number) => (lines > 0 ? `\u001b[${lines}A` : '');
const ERASE_LINE = '\u001b[K';
const ERASE_BELOW = '\u001b[J';
const HOME = '\u001b[H';
// Select Graphic Rendition sequences take no columns.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
const COLOUR = /(\u001b\[[0-9;]*m)/;
const RESET = '\u001b[0m';

/** Draws lines over those that it has drawn before. The lines remain on the screen when the program ends. */
export class Redraw {
  readonly #terminal: Terminal;
  readonly #command: string;
  #drawn = 0;
  #size: Size | null = null;

  /** @param command the command that prints all lines */
  constructor(terminal: Terminal, command: string) {
    this.#terminal = terminal;
    this.#command = command;
  }

  /** Keeps the drawn lines: the next lines are drawn below any text that was written since. */
  leave(): void {
    this.#drawn = 0;
  }

  /** Draws as many lines as fit on the terminal. */
  draw(lines: readonly string[]): void {
    const size = this.#terminal.size() ?? { columns: 80, rows: 24 };
    const fitting = fit(lines, size, this.#command);
    // After a change of size the position of the drawn lines is unknown.
    const changed =
      this.#size !== null && (this.#size.columns !== size.columns || this.#size.rows !== size.rows);
    const start = changed ? HOME + ERASE_BELOW : `\r${UP(this.#drawn)}`;
    const text = fitting.map((line) => `${clippedEnd(line, size.columns)}${ERASE_LINE}\n`).join('');
    this.#terminal.out(`${start}${text}${ERASE_BELOW}`);
    this.#drawn = fitting.length;
    this.#size = size;
  }
}

function fit(lines: readonly string[], { rows }: Size, command: string): readonly string[] {
  // The cursor is in the line below.
  const room = Math.max(1, rows - 1);
  if (lines.length <= room) return lines;
  const cut = lines.length - room + 1;
  return [...lines.slice(0, room - 1), `... ${cut} more lines: "${command}" prints all`];
}

/** At most `width` columns without counting colours; keeps the beginning. */
function clippedEnd(line: string, width: number): string {
  let left = width;
  let cut = false;
  const parts = line.split(COLOUR).map((part, index) => {
    // Every second part matches COLOUR.
    if (index % 2 === 1) return part;
    const taken = startOf(part, left);
    cut ||= taken.length < part.length;
    left -= columnsOf(taken);
    return taken;
  });
  return cut && parts.length > 1 ? `${parts.join('')}${RESET}` : parts.join('');
}
