import { parseDuration } from '../common/duration.ts';

// RFC 3339, section 5.6. The note below its grammar suggests a space instead of the T.
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const TIME_OF_DAY = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/;

/**
 * Parses `--since`: a duration before now (`5m`), a date and time of RFC 3339 with its offset (`2026-11-26T17:00:00Z`),
 * or a time of day in the local time zone (`17:00`, `17:00:30`), which means its last occurrence.
 * @param now milliseconds since 1970
 * @returns milliseconds since 1970
 */
export function parseSince(
  text: string,
  now: number,
): { readonly value: number } | { readonly problem: string } {
  const timeOfDay = TIME_OF_DAY.exec(text);
  if (timeOfDay !== null) {
    const [, hours, minutes, seconds] = timeOfDay;
    const time = new Date(now);
    time.setHours(Number(hours), Number(minutes), Number(seconds ?? 0), 0);
    if (time.getTime() > now) time.setDate(time.getDate() - 1);
    return { value: time.getTime() };
  }
  if (DATE_TIME.test(text)) {
    const value = Date.parse(text.replace(/[Tt ]/, 'T').toUpperCase());
    if (!Number.isNaN(value) && value >= 0) return { value };
  }
  const duration = parseDuration(text);
  if ('value' in duration && !text.startsWith('-'))
    return { value: Math.max(0, Math.floor(now - duration.value)) };
  return {
    problem: `${JSON.stringify(text)} is not a time. Write a duration (5m, 1h30m), a date and time with its offset (2026-11-26T17:00:00Z), or a time of day (17:00)`,
  };
}
