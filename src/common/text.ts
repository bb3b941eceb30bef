/**
 * The result of parsing one scalar: the value, or why it is invalid. The problem is a phrase that follows the key's
 * name.
 */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** A scalar as shown in messages: quoted, control characters escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

// C0, DEL and C1 control terminals. The line and paragraph separators and the bidirectional controls rearrange the
// displayed text.
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Escapes characters that move a cursor, start a line or change the reading direction. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? unicodeEscape(character));
}

/** JSON that is safe to display: JSON.stringify itself does not escape DEL, C1 and the others. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
