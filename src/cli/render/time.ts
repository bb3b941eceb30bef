/**
 * A time as RFC 3339 with milliseconds: `2026-11-26T18:00:00.123+01:00` in the local time zone, or
 * `2026-11-26T17:00:00.123Z` in UTC. What is not a time stays as it is.
 */
export function timeText(time: string, local: boolean): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  if (!local) return date.toISOString();
  // Minutes by which UTC is ahead of local time.
  const behind = date.getTimezoneOffset();
  const shifted = new Date(date.getTime() - behind * 60_000).toISOString().slice(0, -1);
  const offset = Math.abs(behind);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${shifted}${behind > 0 ? '-' : '+'}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
}
