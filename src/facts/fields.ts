import type { Fact } from '../lifecycle/facts.ts';

const DURATIONS: ReadonlySet<string> = new Set([
  'after',
  'uptime',
  'delay',
  'duration',
  'lasts',
  'retiredFor',
]);

/** True for the fields of a fact that are milliseconds. */
export function isDuration(name: string): boolean {
  return DURATIONS.has(name);
}

/** `retiredFor` as `retired_for`: names are written in snake_case wherever users see them. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A fact as every document has it that users read by machine, the log and the control socket alike: snake_case, durations end in `_ms`. */
export function factDocument(fact: Fact): { readonly event: string; readonly [field: string]: unknown } {
  const { event, ...fields } = fact;
  return { event, ...renamed(fields) };
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
