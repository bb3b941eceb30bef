import * as z from 'zod/mini';
import type { $ZodType } from 'zod/v4/core';
import type { Parsed } from '../values/parsed.ts';

/** What each key is for: one or two sentences, for the JSON Schema and the reference. */
export const descriptions = z.registry<{ readonly description: string }>();

/** How a scalar is written, for the reference and for the text that messages use. */
export interface Notation {
  /** In one or two words, `duration`, `signal`. */
  readonly kind: string;
  /** `null`, `~` and the like are text here, not a key that is left out. */
  readonly verbatim?: boolean;
  /** Its JSON type where it is more than a string: an unquoted number is fine, for instance. */
  readonly json?: readonly string[];
}

const notations = new WeakMap<object, Notation>();

/** The notation of a scalar's schema; undefined for enumerations, lists and mappings. */
export function notationOf(schema: $ZodType): Notation | undefined {
  return notations.get(schema._zod.def);
}

/** A key with its description. A scalar that serves many keys is cloned, so that each has a description of its own. */
export function key<T extends z.ZodMiniType>(description: string, schema: T): T {
  const own = notations.has(schema._zod.def) ? z.clone(schema) : schema;
  descriptions.add(own, { description });
  return own;
}

/** Notes how a scalar is written. */
export function noted<T extends z.ZodMiniType>(notation: Notation, schema: T): T {
  notations.set(schema._zod.def, notation);
  return schema;
}

// One of each for all scalars: making schemas is most of what reading a config costs at the start.
const WRITTEN = z.string();
const MEANT = z.custom<unknown>();

/** A scalar that is written as text and means something else: `parse` reads the text of the file, `format` writes it back. */
export function scalar<T>(
  notation: Notation,
  parse: (text: string) => Parsed<T>,
  format: (value: T) => string,
) {
  return noted(
    notation,
    z.codec(WRITTEN, MEANT as z.ZodMiniCustom<T, T>, {
      decode: (input, payload) => {
        const parsed = parse(input);
        if ('value' in parsed) return parsed.value;
        payload.issues.push({ code: 'custom', message: parsed.problem, input });
        return z.NEVER;
      },
      encode: (value, payload) => {
        // zod asks here for keys that are left out as well, and takes an issue for the answer that there is none.
        if (value !== undefined) return format(value);
        payload.issues.push({ code: 'custom', input: value });
        return z.NEVER;
      },
    }),
  );
}
