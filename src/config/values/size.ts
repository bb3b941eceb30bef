import { type Parsed, quoted } from '../../common/text.ts';

const UNITS = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
]);

/** Common units that do not distinguish between 1000 and 1024. */
const VAGUE = new Map([
  ['K', 'KiB'],
  ['KB', 'KiB'],
  ['M', 'MiB'],
  ['MB', 'MiB'],
  ['G', 'GiB'],
  ['GB', 'GiB'],
]);

/**
 * Parses a number of bytes with a binary unit: `512MiB`, `1.5GiB`.
 * @returns bytes, at least 1
 */
export function parseSize(text: string): Parsed<number> {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined)
    return { problem: `${quoted(text)} is not a size: write it as in 512MiB or 2GiB` };
  const factor = UNITS.get(unit);
  if (factor === undefined) {
    const meant = VAGUE.get(unit.toUpperCase()) ?? 'MiB';
    return { problem: `${quoted(text)} has no binary unit: write ${amount}${meant}` };
  }
  const value = Math.round(Number(amount) * factor);
  if (value < 1) return { problem: `${quoted(text)} must be larger than 0` };
  return Number.isSafeInteger(value) ? { value } : { problem: `${quoted(text)} is too large` };
}

/** Uses the largest unit that gives a short number: 536870912 is `512MiB`. */
export function formatSize(bytes: number): string {
  const fitting = [...UNITS].findLast(([, factor]) => bytes >= factor && bytes % factor === 0);
  const [unit, factor] = fitting ?? ['B', 1];
  return `${bytes / factor}${unit}`;
}
