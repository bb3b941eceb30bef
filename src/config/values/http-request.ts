import { type Parsed, quoted } from '../../common/text.ts';

/** A request target in origin form (RFC 9112, 3.2.1), which is ASCII without spaces. */
export function parseRequestPath(text: string): Parsed<string> {
  if (!text.startsWith('/')) return { problem: `${quoted(text)} does not begin with a slash` };
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('#')) {
    return { problem: `${quoted(text)} has a character that a request cannot have: write it as %XX` };
  }
  return { value: text };
}

/** What may stand in a Host header (RFC 9110, 7.2). */
export function parseHeaderHost(text: string): Parsed<string> {
  return /^[a-z0-9._~!$&'()*+,;=:[\]%-]+$/i.test(text)
    ? { value: text }
    : { problem: `${quoted(text)} is no host` };
}
