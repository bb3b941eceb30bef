import { StringDecoder } from 'node:string_decoder';
import { painter, safe, type Terminal } from './style.ts';

/** What one process wrote: whole lines, or a piece of one that goes on. */
export interface OutputBytes {
  /** When zero read it: RFC 3339; undefined where that is not known. */
  readonly time: string | undefined;
  readonly generation: number;
  readonly worker: number;
  readonly stream: string;
  readonly bytes: Buffer;
}

/** Shows output of the service as it comes. */
export interface OutputPrinter {
  /** Whether anything was printed. */
  readonly begun: boolean;
  /** Takes it; `flush` writes it. */
  print(output: OutputBytes): void;
  /** Writes what was printed: one system call for a line would take most of the time of a long output. */
  flush(): void;
  /** So many bytes before the next output are not kept. */
  tellGap(bytes: number): void;
  /** Nothing more comes. */
  end(): void;
}

const NEWLINE = 10;
// Select Graphic Rendition (ECMA-48): colours, which a service may have on a terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with.
const COLOUR = /(\u001b\[[0-9;]*m)/;
const RESET = '\u001b[0m';

/**
 * Prints each line with its time and its worker, or without both (`raw`). Bytes stay as they are, but on a terminal
 * everything in them that would act on it is made visible. A line that one process has begun is ended before another's.
 */
export class TextPrinter implements OutputPrinter {
  readonly #terminal: Terminal;
  readonly #raw: boolean;
  readonly #decoders = new Map<string, StringDecoder>();
  #printed: Buffer[] = [];
  /** Whose line has begun and not ended. */
  #open: string | null = null;
  begun = false;

  constructor(terminal: Terminal, raw: boolean) {
    this.#terminal = terminal;
    this.#raw = raw;
  }

  print(output: OutputBytes): void {
    const { generation, worker, stream, bytes } = output;
    if (bytes.length === 0) return;
    const source = `${generation}.${worker}.${stream}`;
    this.begun = true;
    if (this.#open !== null && this.#open !== source) this.#endLine();
    const head = this.#raw ? null : this.#head(output);
    for (const line of linesOf(bytes)) {
      if (head !== null && this.#open === null) this.#printed.push(head);
      this.#printed.push(this.#terminal.size() === null ? line : Buffer.from(this.#visible(source, line)));
      this.#open = line[line.length - 1] === NEWLINE ? null : source;
    }
  }

  flush(): void {
    if (this.#printed.length > 0) this.#terminal.out(Buffer.concat(this.#printed));
    this.#printed = [];
  }

  tellGap(bytes: number): void {
    this.begun = true;
    this.end();
    const text = `zero: ${bytes} bytes before this are not kept`;
    this.#terminal.err(`${painter(this.#terminal.errColour)('faint', text)}\n`);
  }

  /** Ends the line that has begun. */
  end(): void {
    this.#endLine();
    this.flush();
  }

  #endLine(): void {
    if (this.#open !== null) this.#printed.push(Buffer.of(NEWLINE));
    this.#open = null;
  }

  #head({ time, generation, worker }: OutputBytes): Buffer {
    const isTerminal = this.#terminal.size() !== null;
    const words = [...(time === undefined ? [] : [timeText(time, isTerminal)]), `g${generation}.w${worker}`];
    return Buffer.from(`${painter(this.#terminal.outColour)('faint', words.join(' '))} `);
  }

  #visible(source: string, line: Buffer): string {
    const decoder = this.#decoders.get(source) ?? new StringDecoder('utf8');
    this.#decoders.set(source, decoder);
    const lines = decoder.write(line).split('\n');
    return lines.map((one) => visibleLine(one.replace(/\r$/, ''), this.#terminal.outColour)).join('\n');
  }
}

/** Lines with their newlines; the last one may go on. */
export function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline === -1 ? bytes.length : newline + 1;
    yield bytes.subarray(at, end);
    at = end;
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

/**
 * A time as RFC 3339 with milliseconds: `2026-11-26T18:00:00.123+01:00` in the local time zone, or
 * `2026-11-26T17:00:00.123Z` in UTC. What is not a time stays as it is.
 */
function timeText(time: string, local: boolean): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  if (!local) return date.toISOString();
  // Minutes by which UTC is ahead of local time.
  const behind = date.getTimezoneOffset();
  const shifted = new Date(date.getTime() - behind * 60_000).toISOString().slice(0, -1);
  const offset = Math.abs(behind);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${shifted}${behind > 0 ? '-' : '+'}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
}
