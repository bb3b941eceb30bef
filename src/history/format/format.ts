import type * as z from 'zod/mini';
import type { HistoryLine } from '../lines.ts';
import * as version1 from './version-1.ts';
import * as version2 from './version-2.ts';

/** The version of the lines that this zero writes. It also reads all earlier ones. */
export const VERSION: number = version2.VERSION;

/**
 * The kind of a line.
 * - `line`: valid
 * - `unknown`: an event that a later zero added without a new version; ignored
 * - `newer`: a version that this zero does not know
 * - `torn`: damaged, for example by a crash in the middle of a write
 */
export type ReadLine =
  | { readonly kind: 'line'; readonly line: HistoryLine }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'torn' };

/** A line in this version, without its newline. */
export function writeLine(line: HistoryLine): string {
  return JSON.stringify(version2.writeDocument(line));
}

type Reader = (event: string, value: object) => ReadLine;

/**
 * Reads lines of every version. The schemas live as long as the returned function. Make one per reading of the file, so
 * that an idle supervisor does not hold them.
 */
export function lineReader(): (text: string) => ReadLine {
  const readers = [
    reader(version1.schemas(), version1.readDocument),
    reader(version2.schemas(), version2.readDocument),
  ];
  return (text) => {
    const value = parse(text);
    if (value === null) return { kind: 'torn' };
    const { version = 1, event } = value;
    if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) return { kind: 'torn' };
    if (version > VERSION) return { kind: 'newer', version };
    const read = readers[version - 1];
    return read && typeof event === 'string' ? read(event, value) : { kind: 'torn' };
  };
}

function reader<Document>(
  schemas: Readonly<Record<string, z.ZodMiniType<Document>>>,
  readDocument: (document: Document) => HistoryLine,
): Reader {
  const byEvent = new Map(Object.entries(schemas));
  return (event, value) => {
    const schema = byEvent.get(event);
    if (schema === undefined) return { kind: 'unknown' };
    const parsed = schema.safeParse(value);
    return parsed.success ? { kind: 'line', line: readDocument(parsed.data) } : { kind: 'torn' };
  };
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
