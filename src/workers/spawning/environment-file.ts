import type { Environment } from './environment.ts';

/** An invalid place in an environment file. The message never contains text of the file, which may be a secret. */
export class EnvironmentFileError extends Error {
  /** Counted from 1. */
  readonly line: number;

  constructor(line: number, problem: string) {
    super(problem);
    this.name = 'EnvironmentFileError';
    this.line = line;
  }
}

/**
 * Parses `NAME=VALUE` lines as systemd.exec(5) describes EnvironmentFile=:
 * - Lines that begin with `#` or `;` are comments.
 * - A backslash at the end of a line joins the next one.
 * - Single quotes keep everything. In double quotes a backslash escapes `"`, `\`, `` ` `` and `$`. Quoted values may
 *   contain newlines.
 * - Blanks around an unquoted value are cut.
 *
 * `export NAME=VALUE` is accepted, too, as shells write it. Names are not restricted to identifiers. Throws
 * EnvironmentFileError for any other line, which systemd would skip silently.
 */
export function parseEnvironmentFile(content: Buffer): Environment {
  // latin1 maps each byte to one character and back, so that values need not be UTF-8.
  return new Reader(content.toString('latin1')).read();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Environment {
    const result = new Map<string, Buffer>();
    for (;;) {
      this.#skip(/[ \t\r\n]*/y);
      if (this.#at >= this.#text.length) return result;
      if (/[#;]/.test(this.#peek())) {
        // A comment continues over a backslash and a newline, too.
        this.#skip(/(?:\\.|[^\\\n])*/sy);
        continue;
      }
      const start = this.#at;
      const name = this.#name();
      result.set(name, Buffer.from(this.#value(start), 'latin1'));
    }
  }

  #name(): string {
    const start = this.#at;
    const [line] = this.#match(/[^\n]*/y);
    const [, name] = /^(?:export[ \t]+)?([^\s=]+)[ \t]*=/.exec(line) ?? [];
    if (name === undefined) throw this.#error(start, 'is not NAME=VALUE');
    if (name.includes('\0')) throw this.#error(start, 'has a NUL byte in its name');
    this.#at = start + line.indexOf('=') + 1;
    this.#skip(/[ \t]*/y);
    return name;
  }

  #value(start: number): string {
    let value = '';
    for (;;) {
      const next = this.#peek();
      if (next === '' || next === '\n') break;
      if (next === "'") {
        const [, inside] = this.#match(/'([^']*)'/y);
        if (inside === undefined) throw this.#error(start, 'has a single quote that is never closed');
        value += inside;
      } else if (next === '"') {
        const [, inside] = this.#match(/"((?:\\.|[^"\\])*)"/sy);
        if (inside === undefined) throw this.#error(start, 'has a double quote that is never closed');
        value += inside.replace(/\\(.)/gs, (whole, escaped: string) => {
          if (escaped === '\n') return '';
          return '"\\`$'.includes(escaped) ? escaped : whole;
        });
      } else {
        value = this.#unquoted(value);
      }
    }
    if (value.includes('\0')) throw this.#error(start, 'has a NUL byte in its value');
    return value;
  }

  // Up to the end of the line or to a quote. Blanks before the end of the line are not part of the value; an escaped
  // blank is.
  #unquoted(before: string): string {
    const [raw] = this.#match(/(?:\\.|[^\\\n'"])+|\\$/sy);
    const ends = this.#peek() === '' || this.#peek() === '\n';
    const text = ends ? raw.replace(/((?:\\.|[^\\])*?)[ \t\r]*$/s, '$1') : raw;
    return before + text.replace(/\\(.?)/gs, (_, escaped: string) => (escaped === '\n' ? '' : escaped));
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #skip(pattern: RegExp): void {
    this.#match(pattern);
  }

  // Matches at the current position and moves past the match.
  #match(pattern: RegExp): RegExpExecArray | [string, undefined] {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    this.#at += found?.[0].length ?? 0;
    return found ?? ['', undefined];
  }

  #error(at: number, problem: string): EnvironmentFileError {
    return new EnvironmentFileError(this.#text.slice(0, at).split('\n').length, problem);
  }
}
