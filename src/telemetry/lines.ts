import { durationText } from '../common/duration.ts';
import { escapeControls, safeJson } from '../common/text.ts';
import { factDocument } from '../facts/documents.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { type Level, levelOf } from './level.ts';
import { exitText, messageOf } from './message.ts';

// SGR parameters (ECMA-48): 2 faint, 31 red, 33 yellow.
const COLOURS: Record<Level, number | null> = { debug: 2, info: null, warn: 33, error: 31 };

/** The fields of facts that are milliseconds. */
const DURATIONS: ReadonlySet<string> = new Set([
  'after',
  'uptime',
  'delay',
  'duration',
  'lasts',
  'retiredFor',
]);

/**
 * One line for a human reader, without its newline: `12:34:56.789 info worker ready generation=3 worker=0 after=1.2s`.
 * `at` is epoch milliseconds, shown in local time. Omits a field without a value.
 */
export function humanLine(at: number, fact: Fact, colour: boolean): string {
  const level = levelOf(fact);
  const fields = fieldsOf(fact).map(([name, value]) => `${name}=${quoted(value)}`);
  const text = [escapeControls(messageOf(fact)), ...(fields.length > 0 ? [fields.join(' ')] : [])].join('  ');
  return `${painted(clock(at), colour ? 2 : null)} ${painted(level.padEnd(5), colour ? COLOURS[level] : null)} ${text}`;
}

function fieldsOf(fact: Fact): (readonly [name: string, value: string])[] {
  if (fact.event === 'warning') return [['about', fact.about]];
  if (fact.event === 'error') return [['step', fact.step]];
  return Object.entries(fact).flatMap(([name, value]) =>
    name === 'event' || value === null ? [] : valueFields(name, value),
  );
}

function valueFields(name: string, value: unknown): (readonly [name: string, value: string])[] {
  if (typeof value === 'number' && DURATIONS.has(name)) return [[snakeCase(name), durationText(value)]];
  if (Array.isArray(value)) return [[name, value.join(',')]];
  if (typeof value !== 'object' || value === null) return [[snakeCase(name), String(value)]];
  // Omits usage, which is for machines, and the last lines of output, which have already been passed on.
  if (isFailure(value)) return [['step', value.step] as const, ['reason', value.reason] as const];
  return isExit(value) ? [[name, exitText(value)]] : [];
}

type Exit = Extract<Fact, { event: 'worker_exited' }>['exit'];
type FailureOf = NonNullable<Extract<Fact, { event: 'handover_finished' }>['failure']>;

function isExit(value: object): value is Exit {
  return 'kind' in value;
}

function isFailure(value: object): value is FailureOf {
  return 'step' in value && 'reason' in value;
}

/** A value without quotes if it is one word, otherwise in quotes, so that the fields can be separated again. */
function quoted(value: string): string {
  if (/^[^\s"'=\\\p{C}]+$/u.test(value)) return value;
  return `"${escapeControls(value.replace(/["\\]/g, '\\$&'))}"`;
}

function clock(at: number): string {
  const date = new Date(at);
  const two = (number: number): string => `${number}`.padStart(2, '0');
  const seconds = `${two(date.getSeconds())}.${`${date.getMilliseconds()}`.padStart(3, '0')}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${seconds}`;
}

function painted(text: string, colour: number | null): string {
  return colour === null ? text : `\u001b[${colour}m${text}\u001b[0m`;
}

/** `retiredFor` as `retired_for`: names are in snake_case wherever users see them. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * One JSON document in one line, without its newline: `time` (RFC 3339, UTC), `level`, `event`, `message`, then the
 * fields of the fact in snake_case; durations end in `_ms`. `at` is epoch milliseconds.
 */
export function jsonLine(at: number, fact: Fact): string {
  const { event, ...fields } = factDocument(fact);
  const head = { time: new Date(at).toISOString(), level: levelOf(fact), event, message: messageOf(fact) };
  return safeJson({ ...head, ...fields });
}
