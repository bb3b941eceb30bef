import { type Parsed, quoted } from '../../common/text.ts';

/** Parses a request target in origin form (RFC 9112, 3.2.1): ASCII without spaces. */
export function parseRequestPath(text: string): Parsed<string> {
  if (!text.startsWith('/')) return { problem: `${quoted(text)} does not begin with a slash` };
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('#')) {
    return { problem: `${quoted(text)} has a character that a request cannot have: write it as %XX` };
  }
  return { value: text };
}

/** Parses the value of a Host header (RFC 9110, 7.2). */
export function parseHeaderHost(text: string): Parsed<string> {
  return /^[a-z0-9._~!$&'()*+,;=:[\]%-]+$/i.test(text)
    ? { value: text }
    : { problem: `${quoted(text)} is not a host` };
}

/** A range of HTTP status codes, including both ends. */
interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** Parses `200`, `200-299`, or several of them separated by commas. */
export function parseStatusRanges(text: string): Parsed<readonly StatusRange[]> {
  const ranges: StatusRange[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?\s*$/.exec(part);
    if (match === null) return { problem: `${quoted(text)} is not a status: write 200, 200-299 or 200,204` };
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
