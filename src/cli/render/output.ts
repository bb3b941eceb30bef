import { StringDecoder } from 'node:string_decoder';
import { painter, safe, type Terminal } from './style.ts';

/** What one process wrote, as the control socket tells it. */
export interface OutputText {
  readonly generation: number;
  readonly worker: number;
  readonly stream: string;
  readonly text?: string;
  readonly base64?: string;
}

const NEWLINE = 10;
// Select Graphic Rendition (ECMA-48): colours, which a service may have on a terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with.
const COLOUR = /(\u001b\[[0-9;]*m)/;
const RESET = '\u001b[0m';

/**
 * Prints output of several processes: bytes as they are, or, on a terminal, with everything in them made visible that would act on it. A line that
 * one has begun is ended before another's.
 */
export class OutputPrinter {
  readonly #terminal: Terminal;
  readonly #decoders = new Map<string, StringDecoder>();
  /** Whose line has begun and not ended. */
  #open: string | null = null;
  begun = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  print({ generation, worker, stream, text, base64 }: OutputText): void {
    const source = `${generation}.${worker}.${stream}`;
    const bytes = base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64');
    if (bytes.length === 0) return;
    this.begun = true;
    if (this.#open !== null && this.#open !== source) this.end();
    this.#terminal.out(this.#terminal.size() === null ? bytes : this.#visible(source, bytes));
    this.#open = bytes[bytes.length - 1] === NEWLINE ? null : source;
  }

  tellGap(bytes: number): void {
    this.begun = true;
    this.end();
    const text = `zero: ${bytes} bytes before this are not kept`;
    this.#terminal.err(`${painter(this.#terminal.errColour)('faint', text)}\n`);
  }

  /** Ends the line that has begun. */
  end(): void {
    if (this.#open !== null) this.#terminal.out('\n');
    this.#open = null;
  }

  #visible(source: string, bytes: Buffer): string {
    const decoder = this.#decoders.get(source) ?? new StringDecoder('utf8');
    this.#decoders.set(source, decoder);
    const lines = decoder.write(bytes).split('\n');
    return lines.map((line) => visibleLine(line.replace(/\r$/, ''), this.#terminal.outColour)).join('\n');
  }
}

function visibleLine(line: string, colour: boolean): string {
  const parts = line.split(COLOUR);
  // What COLOUR matched is every second one.
  const shown = parts.map((part, index) => {
    if (index % 2 === 1) return colour ? part : '';
    return part.split('\t').map(safe).join('\t');
  });
  return `${shown.join('')}${colour && parts.length > 1 ? RESET : ''}`;
}
