/** What reading one scalar gives: the value, or why it is none. The problem is a phrase that follows the key's name. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** A scalar as messages show it: quoted, control characters escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

// C0, DEL and C1 drive terminals; the line and paragraph separators and the bidirectional controls rearrange what is seen.
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text in which nothing moves a cursor, starts a line or turns the reading direction: such characters are written as escapes. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? unicodeEscape(character));
}

/** JSON whose every character may be shown; JSON.stringify itself leaves DEL, C1 and the rest as they are. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
