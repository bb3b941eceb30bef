import { columnsOf, startOf } from './columns.ts';

/**
 * Text in lines of at most `width` columns, cut between words where that is possible; all but the first begin with `indent`, which counts.
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
