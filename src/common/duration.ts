import { type Parsed, quoted } from './text.ts';

// The units of Go's time.ParseDuration, in milliseconds. Both micro signs are accepted: U+00B5 and the Greek U+03BC.
const UNITS = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['\u00b5s', 1e-3],
  ['\u03bcs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const LONGER = new Map([
  ['d', '24h'],
  ['day', '24h'],
  ['days', '24h'],
  ['w', '168h'],
]);

/** Go keeps a duration in an int64 of nanoseconds. */
const MAX_DURATION = 2 ** 63 / 1e6;

const PART = /(\d+\.?\d*|\.\d+)([^\d.\s+-]*)/y;

/**
 * Parses a duration as Go's time.ParseDuration does: `1h15m30.918s`, `500ms`, `0`.
 * @returns milliseconds, never negative; fractions are kept (`1us` is 0.001)
 */
export function parseDuration(text: string): Parsed<number> {
  const unsigned = text.replace(/^[+-]/, '');
  if (/^0+$/.test(unsigned)) return { value: 0 };
  if (text === '') return { problem: 'is empty: write a duration such as 30s' };
  let total = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < unsigned.length) {
    const part = PART.exec(unsigned);
    if (part === null)
      return { problem: `${quoted(text)} is not a duration: write it as in 500ms, 30s or 1h30m` };
    const [, amount = '', unit = ''] = part;
    if (unit === '') return { problem: `${quoted(text)} has no unit: write ${suggestion(unsigned)}` };
    const factor = UNITS.get(unit);
    if (factor === undefined) return { problem: unknownUnit(text, unit) };
    total += Number(amount) * factor;
  }
  if (text.startsWith('-') && total > 0) return { problem: `${quoted(text)} is negative` };
  if (total > MAX_DURATION)
    return { problem: `${quoted(text)} is longer than the 292 years a duration can hold` };
  // The nanosecond is the finest unit. Anything finer is a rounding error of binary fractions.
  return { value: Math.round(total * 1e6) / 1e6 };
}

function suggestion(number: string): string {
  return /^\d+(\.\d+)?$/.test(number) ? `${number}s` : 'one after every number, as in 1m30s';
}

function unknownUnit(text: string, unit: string): string {
  const longer = LONGER.get(unit.toLowerCase());
  const advice =
    longer === undefined ? 'the units are ns, us, ms, s, m and h' : `write hours, 1${unit} is ${longer}`;
  return `${quoted(text)} has the unknown unit ${quoted(unit)}: ${advice}`;
}

/** The shortest Go notation of a number of milliseconds: 90000 is `1m30s`, 0 is `0s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  if (milliseconds < 1) {
    const micro = milliseconds * 1000;
    return micro < 1 ? `${decimal(micro * 1000)}ns` : `${decimal(micro)}us`;
  }
  if (milliseconds < 1000) return `${decimal(milliseconds)}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor((milliseconds % 3_600_000) / 60_000);
  const rest = milliseconds % 60_000;
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${rest > 0 ? `${decimal(rest / 1000)}s` : ''}`;
}

/** A number without an exponent, with at most nine decimals. */
export function decimal(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '');
}

/** Milliseconds for people, rounded: `350ms`, `1.2s`, `1m30s`, `2h3m`. */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  const unit = ms < 60_000 ? 100 : ms < 3_600_000 ? 1000 : 60_000;
  return formatDuration(Math.max(1000, Math.floor(ms / unit) * unit));
}
