import type { Fact } from '../lifecycle/facts.ts';
import type { FactDocument } from './protocol.ts';

/** The fields of a fact that are milliseconds. */
const DURATIONS: ReadonlySet<string> = new Set([
  'after',
  'uptime',
  'delay',
  'duration',
  'lasts',
  'retiredFor',
]);

/** A fact under the names that the JSON log gives its fields: snake_case, durations end in `_ms`. */
export function factDocument(fact: Fact): FactDocument {
  const { event, ...fields } = fact;
  return { event, ...renamed(fields) };
}

function renamed(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const key = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      return [DURATIONS.has(name) ? `${key}_ms` : key, plain(value)];
    }),
  );
}

function plain(value: unknown): unknown {
  // Clocks with a fraction of a microsecond make long numbers of short times.
  if (typeof value === 'number') return Math.round(value * 1000) / 1000;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? renamed(value) : value;
}
