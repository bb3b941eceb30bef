import { formatDuration, parseDuration } from '../../common/duration.ts';
import { type Parsed, quoted } from '../../common/text.ts';

/** Parses permission bits as chmod(1) and umask(1) do: `0660`, `660`, `0o660`. Always octal. */
export function parseOctal(text: string): Parsed<number> {
  if (!/^(0o)?[0-7]{1,4}$/i.test(text)) {
    return { problem: `${quoted(text)} is not an octal number: write permission bits such as "0660"` };
  }
  return { value: Number.parseInt(text.replace(/^0o/i, ''), 8) };
}

/** Four octal digits, `0660`. */
export function formatOctal(value: number): string {
  return value.toString(8).padStart(4, '0');
}

/** Whether a listener is steered; `auto`: if its address allows it. */
export type Steer = 'auto' | boolean;

export function parseSteer(text: string): Parsed<Steer> {
  if (text === 'auto') return { value: text };
  if (text === 'true' || text === 'false') return { value: text === 'true' };
  return { problem: `must be auto, true or false, not ${quoted(text)}` };
}

/** The number of workers of a generation; `auto` is one per core of the machine. */
type Workers = number | 'auto';

/** Each worker has a lane in every running generation, and the size of a steering program is limited. */
const MAX_WORKERS = 256;

export function parseWorkers(text: string): Parsed<Workers> {
  if (text === 'auto') return { value: text };
  if (!/^\d+$/.test(text)) return { problem: `must be a whole number or auto, not ${quoted(text)}` };
  const value = Number(text);
  if (value < 1) return { problem: `${text} is too small: at least 1` };
  return value <= MAX_WORKERS ? { value } : { problem: `${text} is too large: at most ${MAX_WORKERS}` };
}

/** Milliseconds after which an idle connection is closed; `off`: never. */
type CloseIdle = 'off' | number;

/** A connection counts as idle this long after its last byte (src/linux/tcp-activity.ts). */
const MIN_CLOSE_IDLE = 1000;

export function parseCloseIdle(text: string): Parsed<CloseIdle> {
  if (text === 'off') return { value: text };
  const parsed = parseDuration(text);
  if ('problem' in parsed) return { problem: `must be off or a duration such as 2s, not ${quoted(text)}` };
  return parsed.value < MIN_CLOSE_IDLE ? { problem: `${quoted(text)} is too short: at least 1s` } : parsed;
}

export function formatCloseIdle(value: CloseIdle): string {
  return value === 'off' ? value : formatDuration(value);
}
