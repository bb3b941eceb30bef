/** Limit for a label, in UTF-16 code units: it appears in tables, log lines and labels of metrics. */
export const MAX_LABEL = 128;

// Invisible characters: control, format and private characters, unpaired surrogates, and line separators.
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/**
 * Checks the label of `zero reload --label`: one line of visible characters. Returns the label, or a phrase with the
 * problem, which does not contain the text itself.
 */
export function parseLabel(text: string): { readonly label: string } | { readonly problem: string } {
  if (text === '') return { problem: 'is empty' };
  if (text.length > MAX_LABEL) return { problem: `has ${text.length} characters. Use at most ${MAX_LABEL}.` };
  // Invalid UTF-8 in an argument arrives as the replacement character.
  if (text.includes('\ufffd')) return { problem: 'is not valid UTF-8' };
  const [invisible] = INVISIBLE.exec(text) ?? [];
  if (invisible !== undefined)
    return { problem: `contains the control or invisible character ${codePoint(invisible)}` };
  if (/^\s|\s$/.test(text)) return { problem: 'begins or ends with a space' };
  if (text.startsWith('-')) return { problem: 'begins with "-". Is its value missing?' };
  return { label: text };
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
