import * as z from 'zod/mini';
import { formatDuration, parseDuration } from '../../common/duration.ts';
import { type Parsed, quoted } from '../../common/text.ts';
import { type Address, type ListenerAddress, parseAddress, parseListenerAddress } from '../address.ts';
import { parseSignal } from '../values/signal.ts';
import { formatOctal, parseOctal } from '../values/simple.ts';
import { noted, scalar } from './key.ts';

const ANY_SCALAR = ['string', 'number', 'boolean'];

const same = (value: string): string => value;

/** The kernel ends arguments, variables and paths at a NUL (execve(2)). */
function withoutNul(text: string): Parsed<string> {
  return text.includes('\0') ? { problem: 'has a NUL character' } : { value: text };
}

/** Text that is passed on unchanged: arguments, variables. */
export const verbatim = scalar({ kind: 'text', verbatim: true, json: ANY_SCALAR }, withoutNul, same);

/** Text that must not be empty. */
export const text = scalar(
  { kind: 'text', json: ['string', 'number'] },
  (source) => (source === '' ? { problem: 'is empty' } : withoutNul(source)),
  same,
);

/** A path in the file system. */
export const path = scalar(
  { kind: 'path' },
  (source) => (source === '' ? { problem: 'is empty: write a path' } : withoutNul(source)),
  same,
);

/** Milliseconds; may be 0. */
export const duration = scalar(
  { kind: 'duration', json: ['string', 'integer'] },
  parseDuration,
  formatDuration,
);

/** Milliseconds, more than 0. */
export const positiveDuration = scalar(
  { kind: 'duration' },
  (source) => {
    const parsed = parseDuration(source);
    return 'value' in parsed && parsed.value === 0
      ? { problem: `${quoted(source)} must be longer than 0` }
      : parsed;
  },
  formatDuration,
);

/** A signal's canonical name, `SIGUSR1`, for which `problem` returns null. */
export function signalExcept(problem: (name: string) => string | null) {
  return scalar(
    { kind: 'signal' },
    (source) => {
      const parsed = parseSignal(source);
      if ('problem' in parsed) return parsed;
      const reason = problem(parsed.value);
      return reason === null ? parsed : { problem: `cannot be ${parsed.value}: ${reason}` };
    },
    same,
  );
}

export const address = scalar<Address>(
  { kind: 'address', json: ['string'] },
  parseAddress,
  (value) => value.text,
);

export const listenerAddress = scalar<ListenerAddress>(
  { kind: 'address', json: ['string'] },
  parseListenerAddress,
  (value) => value.text,
);

/** Permission bits as a number, 0o660. */
export const octal = scalar({ kind: 'octal number', json: ['string', 'integer'] }, parseOctal, formatOctal);

export const boolean = noted({ kind: 'true or false' }, z.boolean());

/** An integer from `least` to `most`. */
export function integer(least: number, most: number) {
  return noted({ kind: 'whole number' }, z.int().check(z.minimum(least), z.maximum(most)));
}
