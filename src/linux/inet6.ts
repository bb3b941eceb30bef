import { isIPv4, isIPv6 } from 'node:net';

/** The 16 bytes of an IPv6 address as RFC 4291 section 2.2 writes it, without zone. Throws RangeError. */
export function parseInet6(text: string): Buffer {
  if (!isIPv6(text) || text.includes('%')) throw new RangeError(`not an IPv6 address: ${text}`);
  const [head = '', tail] = text.split('::');
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const zeros = new Array<number>(8 - front.length - back.length).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of [...front, ...zeros, ...back].entries()) bytes.writeUInt16BE(word, index * 2);
  return bytes;
}

function words(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!isIPv4(group)) return [Number.parseInt(group, 16)];
    const bytes = Buffer.from(group.split('.').map(Number));
    return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
  });
}

/** The canonical text of RFC 5952: lower case, the longest run of zeros (two or more) as `::`, `::ffff:1.2.3.4`. */
export function formatInet6(bytes: Buffer): string {
  if (isMappedInet4(bytes)) return `::ffff:${bytes.subarray(12, 16).join('.')}`;
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  const { start, length } = longestZeroRun(groups);
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** Whether the address is an IPv4-mapped one, `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). */
export function isMappedInet4(bytes: Buffer): boolean {
  return bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

function longestZeroRun(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === '0' ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}
