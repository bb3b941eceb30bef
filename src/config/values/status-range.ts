import { type Parsed, quoted } from '../../common/text.ts';

/** HTTP status codes, both ends included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** `200`, `200-299`, or several with commas between. */
export function parseStatusRanges(text: string): Parsed<readonly StatusRange[]> {
  const ranges: StatusRange[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?\s*$/.exec(part);
    if (match === null) return { problem: `${quoted(text)} is no status: write 200, 200-299 or 200,204` };
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    if (to < from) return { problem: `${quoted(text)}: the range ${from}-${to} is empty` };
    ranges.push({ from, to });
  }
  return { value: ranges };
}

export function formatStatusRanges(ranges: readonly StatusRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
