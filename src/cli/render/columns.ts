// Characters that are two columns wide: Unicode's East Asian Width "wide" and "fullwidth" (UAX #11), and emoji, by
// block.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
// Characters without a column: combining marks, joiners and invisible characters.
const NONE = /[\p{Mn}\p{Me}\p{Cf}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are part of ASCII.
const ASCII = /^[\u0000-\u007f]*$/;

/** The approximate number of terminal columns of a text. Only the terminal knows the exact number. */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

/** The longest prefix of a text that fits into so many columns. */
export function startOf(text: string, columns: number): string {
  if (ASCII.test(text)) return text.slice(0, Math.max(0, columns));
  let taken = '';
  let left = columns;
  for (const character of text) {
    left -= columnsOf(character);
    if (left < 0) break;
    taken += character;
  }
  return taken;
}

/** The longest suffix of a text that fits into so many columns. */
export function endOf(text: string, columns: number): string {
  if (ASCII.test(text)) return columns <= 0 ? '' : text.slice(-columns);
  const reversed = [...text].reverse();
  let left = columns;
  const taken = reversed.findIndex((character) => {
    left -= columnsOf(character);
    return left < 0;
  });
  return (taken < 0 ? reversed : reversed.slice(0, taken)).reverse().join('');
}

/**
 * Splits a text into lines of at most `width` columns, between words if possible. All lines but the first begin with
 * `indent`, which counts.
 */
export function fold(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let rest = text;
  let room = width;
  while (columnsOf(rest) > room) {
    const fitting = startOf(rest, room);
    const blank = rest[fitting.length] === ' ' ? fitting.length : fitting.lastIndexOf(' ');
    const end = blank > fitting.length / 2 ? blank : fitting.length;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
    room = width - indent.length;
  }
  lines.push(rest);
  return lines.map((line, index) => (index === 0 ? line : indent + line));
}
