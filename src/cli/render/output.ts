import { StringDecoder } from 'node:string_decoder';
import { painter, safe, type Terminal } from './style.ts';

/** Output of one process: whole lines, or a part of a line that continues. */
export interface OutputBytes {
  /** When zero read it: RFC 3339; undefined if that is unknown. */
  readonly time: string | undefined;
  readonly generation: number;
  readonly worker: number;
  readonly stream: string;
  readonly bytes: Buffer;
}

/** Shows output of the service as it arrives. */
export interface OutputPrinter {
  /** Whether anything was printed. */
  readonly begun: boolean;
  /** Buffers the output; `flush` writes it. */
  print(output: OutputBytes): void;
  /** Writes the buffered output. One system call per line would take most of the time of a long output. */
  flush(): void;
  /** Reports how many bytes before the next output are lost. */
  tellGap(bytes: number): void;
  /** Called when no more output follows. */
  end(): void;
}

const NEWLINE = 10;
// Select Graphic Rendition (ECMA-48): colours, which a service may use on a terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
const COLOUR = /(\u001b\[[0-9;]*m)/;
const RESET = '\u001b[0m';

/**
 * Prints each line with its time and its worker, or without both (`raw`). Bytes are unchanged, except that control
 * characters are made visible on a terminal. An incomplete line of one process is ended before a line of another one.
 */
export class TextPrinter implements OutputPrinter {
  readonly #terminal: Terminal;
  readonly #raw: boolean;
  readonly #decoders = new Map<string, StringDecoder>();
  #printed: Buffer[] = [];
  /** The source of the incomplete line. */
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

  /** Ends the incomplete line. */
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

/** Lines with their newlines; the last one may be incomplete. */
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
  // Every second part matches COLOUR.
  const shown = parts.map((part, index) => {
    if (index % 2 === 1) return colour ? part : '';
    return part.split('\t').map(safe).join('\t');
  });
  return `${shown.join('')}${colour && parts.length > 1 ? RESET : ''}`;
}

/**
 * A time as RFC 3339 with milliseconds: `2026-11-26T18:00:00.123+01:00` in the local time zone, or
 * `2026-11-26T17:00:00.123Z` in UTC. Any other text is returned unchanged.
 */
function timeText(time: string, local: boolean): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  if (!local) return date.toISOString();
  // Minutes from local time to UTC.
  const behind = date.getTimezoneOffset();
  const shifted = new Date(date.getTime() - behind * 60_000).toISOString().slice(0, -1);
  const offset = Math.abs(behind);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${shifted}${behind > 0 ? '-' : '+'}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
}
