import { formatDuration, parseDuration } from '../../common/duration.ts';
import { type Parsed, quoted } from '../../common/text.ts';

/** Milliseconds after which an idle connection is ended; `off`: never. */
export type CloseIdle = 'off' | number;

/** A connection counts as idle when its last byte was sent this long ago (src/linux/tcp-activity.ts). */
const MIN = 1000;

export function parseCloseIdle(text: string): Parsed<CloseIdle> {
  if (text === 'off') return { value: text };
  const parsed = parseDuration(text);
  if ('problem' in parsed) return { problem: `must be off or a duration such as 2s, not ${quoted(text)}` };
  return parsed.value < MIN ? { problem: `${quoted(text)} is too short: at least 1s` } : parsed;
}

export function formatCloseIdle(value: CloseIdle): string {
  return value === 'off' ? value : formatDuration(value);
}
