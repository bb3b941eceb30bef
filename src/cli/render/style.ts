import { durationText } from '../../common/duration.ts';
import { escapeControls } from '../../common/text.ts';
import { columnsOf, endOf } from './columns.ts';

/** The output streams of a command. Injected for tests. */
export interface Terminal {
  /** Writes the requested output. */
  readonly out: (text: string | Uint8Array) => void;
  /** Waits until the written output was read. False if it has no reader any more. */
  readonly taken: () => Promise<boolean>;
  /** Size of the terminal behind `out`; null if it is not a terminal. */
  readonly size: () => Size | null;
  /** Calls the listener at each change of size, until the returned function is called. */
  readonly resized: (listener: () => void) => () => void;
  /** Writes errors and progress. */
  readonly err: (text: string) => void;
  /** Whether `err` is a terminal: progress is shown. */
  readonly interactive: boolean;
  readonly outColour: boolean;
  readonly errColour: boolean;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

// SGR parameters (ECMA-48).
const COLOURS = { bold: 1, faint: 2, red: 31, green: 32, yellow: 33 } as const;

export type Colour = keyof typeof COLOURS;

/** Paints a text if colours are enabled. */
export type Paint = (colour: Colour, text: string) => string;

export function painter(wanted: boolean): Paint {
  return (colour, text) => (wanted ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
}

/**
 * The terminal of this process. Uses colours only on a terminal, and not with NO_COLOR (no-color.org: any value that is
 * not empty).
 */
export function processTerminal(): Terminal {
  const colour = !process.env.NO_COLOR;
  const { stdout } = process;
  let gone = false;
  // EPIPE: the reader has closed the pipe. Without a listener the error would crash this process.
  stdout.on('error', () => {
    gone = true;
  });
  return {
    out: (text) => void stdout.write(text),
    taken: async () => {
      if (!gone && stdout.writableNeedDrain)
        await new Promise<void>((resolve) => {
          const settled = () => {
            for (const event of ['drain', 'close', 'error']) stdout.off(event, settled);
            resolve();
          };
          for (const event of ['drain', 'close', 'error']) stdout.on(event, settled);
        });
      return !gone;
    },
    size: () => (stdout.isTTY ? { columns: stdout.columns, rows: stdout.rows } : null),
    resized: (listener) => {
      stdout.on('resize', listener);
      return () => void stdout.off('resize', listener);
    },
    err: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY === true,
    outColour: colour && process.stdout.isTTY === true,
    errColour: colour && process.stderr.isTTY === true,
  };
}

/** Escapes control characters in text from the socket. */
export const safe = escapeControls;

/** A document from the socket with all control characters escaped. */
export function safeDocument<T>(document: T): T {
  if (typeof document === 'string') return safe(document) as T;
  if (Array.isArray(document)) return document.map(safeDocument) as T;
  if (typeof document !== 'object' || document === null) return document;
  const fields = Object.entries(document).map(([name, value]) => [name, safeDocument(value)]);
  return Object.fromEntries(fields) as T;
}

/** Milliseconds as `1.2s`. */
export const duration = durationText;

/** Milliseconds in whole seconds, rounded down: `0s`, `1m30s`. */
export function seconds(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / 1000)) * 1000;
  return whole === 0 ? '0s' : durationText(whole);
}

/** At most `width` columns; keeps the end, which distinguishes paths. */
export function clipped(text: string, width: number): string {
  return columnsOf(text) <= width ? text : `...${endOf(text, width - 3)}`;
}

/** Aligns the columns of rows by their widest cell, with two spaces between them. Omits columns without any text. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => columnsOf(row[column] ?? ''))),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => ({ cell, width: widths[column] ?? 0 }))
      .filter(({ width }) => width > 0)
      .map(({ cell, width }) => cell + ' '.repeat(Math.max(0, width - columnsOf(cell))))
      .join('  ')
      .trimEnd(),
  );
}
