import type { Fact } from '../lifecycle/facts.ts';
import { safeJson } from './escape.ts';
import { isDuration, snakeCase } from './field-names.ts';
import { levelOf } from './level.ts';
import { messageOf } from './message.ts';

/**
 * One JSON document in one line, without its newline: `time` (RFC 3339, UTC), `level`, `event`, `message`, then the fields of the fact in
 * snake_case; durations end in `_ms`. `at` is epoch milliseconds.
 */
export function jsonLine(at: number, fact: Fact): string {
  const { event, ...fields } = fact;
  const head = { time: new Date(at).toISOString(), level: levelOf(fact), event, message: messageOf(fact) };
  return safeJson({ ...head, ...renamed(fields) });
}

function renamed(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [keyOf(name), plain(value)]));
}

function keyOf(name: string): string {
  return isDuration(name) ? `${snakeCase(name)}_ms` : snakeCase(name);
}

function plain(value: unknown): unknown {
  // Clocks with a fraction of a microsecond make long numbers of short times.
  if (typeof value === 'number') return Math.round(value * 1000) / 1000;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return renamed(value);
}
