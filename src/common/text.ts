/**
 * The result of parsing one scalar: the value, or why it is invalid. The problem is a phrase that follows the key's
 * name.
 */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** A scalar as shown in messages: quoted, control characters escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

// C0, DEL and C1 control terminals. The line and paragraph separators and the bidirectional controls (UAX #9) rearrange
// the displayed text. Two texts that differ only in the other invisible format characters look the same. The joiners
// U+200C and U+200D stay: words of some languages, and emoji, need them.
const UNSAFE =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Escapes characters that move a cursor, start a line, change the reading direction or are invisible. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? unicodeEscape(character));
}

/** JSON that is safe to display: JSON.stringify itself does not escape DEL, C1 and the others. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, unicodeEscape);
}

/** As JSON: a character above U+FFFF has two escapes (RFC 8259, section 7). */
function unicodeEscape(character: string): string {
  return character.split('').map(unitEscape).join('');
}

function unitEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A text as one word of a shell command. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
