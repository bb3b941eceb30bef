/** The 4 bytes of an IPv4 address in its one strict form: four decimal numbers without leading zeros. null for anything else. */
export function parseInet4(text: string): Buffer | null {
  const numbers = text.split('.');
  const valid =
    numbers.length === 4 && numbers.every((one) => /^(?:0|[1-9]\d{0,2})$/.test(one) && +one < 256);
  return valid ? Buffer.from(numbers.map(Number)) : null;
}
