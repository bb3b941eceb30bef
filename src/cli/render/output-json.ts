import { isUtf8 } from 'node:buffer';
import { linesOf, type OutputBytes, type OutputPrinter } from './output.ts';
import type { Terminal } from './style.ts';

/** A longer line is printed in parts of at least this many bytes. */
const MAX_LINE = 64 * 1024;
const NEWLINE = 10;

type Begun = Omit<OutputBytes, 'bytes'> & { readonly parts: Buffer[]; length: number };

/**
 * Prints each line as a JSON document: all lines in one document, `{"version", "lines", "missing_bytes"}`, or, when
 * following, one document per line.
 */
export class JsonPrinter implements OutputPrinter {
  readonly #terminal: Terminal;
  readonly #follow: boolean;
  /** The incomplete line of each source. */
  readonly #lines = new Map<string, Begun>();
  #missing = 0;
  #printed = 0;
  #text = '';
  begun = false;

  constructor(terminal: Terminal, follow: boolean) {
    this.#terminal = terminal;
    this.#follow = follow;
  }

  print({ bytes, ...source }: OutputBytes): void {
    this.begun = true;
    const key = `${source.generation}.${source.worker}.${source.stream}`;
    for (const part of linesOf(bytes)) {
      const line = this.#lines.get(key) ?? { ...source, parts: [], length: 0 };
      line.parts.push(part);
      line.length += part.length;
      const isWhole = part[part.length - 1] === NEWLINE;
      if (!isWhole && line.length < MAX_LINE) {
        this.#lines.set(key, line);
      } else {
        this.#lines.delete(key);
        this.#write(line);
      }
    }
  }

  tellGap(bytes: number): void {
    this.begun = true;
    this.#endLines();
    this.#missing += bytes;
    if (this.#follow) this.#text += `${JSON.stringify({ missing_bytes: bytes })}\n`;
    this.flush();
  }

  flush(): void {
    if (this.#text !== '') this.#terminal.out(this.#text);
    this.#text = '';
  }

  end(): void {
    this.#endLines();
    if (!this.#follow) {
      if (this.#printed === 0) this.#text += '{"version":1,"lines":[';
      this.#text += `],"missing_bytes":${this.#missing}}\n`;
    }
    this.flush();
  }

  #endLines(): void {
    for (const line of this.#lines.values()) this.#write(line);
    this.#lines.clear();
  }

  #write({ parts, length: _, ...source }: Begun): void {
    const bytes = Buffer.concat(parts);
    const text = bytes.subarray(0, bytes[bytes.length - 1] === NEWLINE ? -1 : bytes.length);
    const content = isUtf8(text) ? { text: text.toString() } : { base64: text.toString('base64') };
    const document = JSON.stringify({ ...source, ...content });
    const before = this.#follow ? '' : this.#printed === 0 ? '{"version":1,"lines":[\n' : ',\n';
    this.#printed += 1;
    this.#text += `${before}${document}${this.#follow ? '\n' : ''}`;
  }
}
