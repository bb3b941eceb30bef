/** The 16 bytes of an IPv6 address as RFC 4291 section 2.2 writes it, without zone. Throws RangeError. */
export function parseInet6(text: string): Buffer {
  const [head = '', tail, ...more] = text.split('::');
  const front = words(head, tail === undefined);
  const back = tail === undefined ? [] : words(tail, true);
  const missing = 8 - front.length - back.length;
  const fits = tail === undefined ? missing === 0 : missing > 0 && more.length === 0;
  if (!fits || [...front, ...back].some(Number.isNaN)) throw new RangeError(`not an IPv6 address: ${text}`);
  const zeros = new Array<number>(missing).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [index, word] of [...front, ...zeros, ...back].entries()) bytes.writeUInt16BE(word, index * 2);
  return bytes;
}

// NaN for an invalid group. The last 32 bits may be written as an IPv4 address.
function words(part: string, last: boolean): number[] {
  if (part === '') return [];
  const groups = part.split(':');
  return groups.flatMap((group, index) => {
    const inet4 = last && index === groups.length - 1 ? parseInet4(group) : null;
    if (inet4 !== null) return [inet4.readUInt16BE(0), inet4.readUInt16BE(2)];
    return [/^[0-9a-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : Number.NaN];
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

// RFC 6761, section 6.3: these names are the loopback address, regardless of the resolver.
const LOCALHOST = /(^|\.)localhost\.?$/i;

/** Whether a host name is the loopback address. */
export function isLocalhost(host: string): boolean {
  return LOCALHOST.test(host);
}

/** Whether the address is an IPv4-mapped one, `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2). */
export function isMappedInet4(bytes: Buffer): boolean {
  return bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

/**
 * The IPv4 address that an IPv4-mapped IPv6 address with dots, `::ffff:1.2.3.4`, means; null for another text. A socket
 * for one gets IPv4 packets.
 */
export function unmapped(host: string): string | null {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1] ?? null;
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

/**
 * The 4 bytes of an IPv4 address in its strict form: four decimal numbers without leading zeros. Null for anything
 * else.
 */
export function parseInet4(text: string): Buffer | null {
  const numbers = text.split('.');
  const valid =
    numbers.length === 4 && numbers.every((one) => /^(?:0|[1-9]\d{0,2})$/.test(one) && +one < 256);
  return valid ? Buffer.from(numbers.map(Number)) : null;
}
