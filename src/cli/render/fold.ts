/**
 * Text in lines of at most `width` characters, cut between words where that is possible; all but the first begin with `indent`, which counts.
 */
export function fold(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let rest = text;
  let room = width;
  while (rest.length > room) {
    const blank = rest.lastIndexOf(' ', room);
    const end = blank > room / 2 ? blank : room;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
    room = width - indent.length;
  }
  lines.push(rest);
  return lines.map((line, index) => (index === 0 ? line : indent + line));
}
