import * as z from 'zod/mini';
import type { $ZodType } from 'zod/v4/core';
import type { Parsed } from '../../common/text.ts';

/** The description of each key: one or two sentences, for the JSON Schema and the reference. */
export const descriptions = z.registry<{ readonly description: string }>();

/** The notation of a scalar, for the reference and for messages. */
export interface Notation {
  /** One or two words, such as `duration` or `signal`. */
  readonly kind: string;
  /** `null`, `~` and similar words are text here, and do not mean an omitted key. */
  readonly verbatim?: boolean;
  /** Its JSON types if it accepts more than a string, for example an unquoted number; or its complete JSON Schema. */
  readonly json?: readonly string[] | Readonly<Record<string, unknown>>;
  /** The schema of the items if a list is allowed instead of the scalar. */
  readonly element?: $ZodType;
}

const notations = new WeakMap<object, Notation>();

/** The notation of a scalar's schema; undefined for enumerations, lists and mappings. */
export function notationOf(schema: $ZodType): Notation | undefined {
  return notations.get(schema._zod.def);
}

/** A key with its description. A scalar that serves many keys is cloned, so that each key has its own description. */
export function key<T extends z.ZodMiniType>(description: string, schema: T): T {
  const own = notations.has(schema._zod.def) ? z.clone(schema) : schema;
  descriptions.add(own, { description });
  return own;
}

/** Adds the notation to a scalar. */
export function noted<T extends z.ZodMiniType>(notation: Notation, schema: T): T {
  notations.set(schema._zod.def, notation);
  return schema;
}

// One schema of each type for all scalars: creating schemas takes most of the time for reading a config at the start.
const WRITTEN = z.string();
const WRITTEN_PLAIN = z.union([WRITTEN, z.number(), z.boolean()]);
const WRITTEN_OR_LIST = z.union([WRITTEN_PLAIN, z.array(z.unknown())]);
const MEANT = z.custom<unknown>();

/**
 * A scalar that is written as text and has another type: `parse` reads the text of the file, `format` writes it back.
 */
export function scalar<T>(
  notation: Notation,
  parse: (text: string) => Parsed<T>,
  format: (value: T) => string,
) {
  return noted(notation, codec(WRITTEN, problemsOf(parse), format));
}

/** A scalar that is a word, a number or a boolean, and is written back as such. */
export function choice<T extends string | number | boolean>(
  notation: Notation,
  parse: (text: string) => Parsed<T>,
) {
  return noted(
    notation,
    codec(WRITTEN_PLAIN, problemsOf(parse), (value: T) => value),
  );
}

/** A word or a boolean, or a list instead. */
export function choiceOrList<T extends string | number | boolean | readonly unknown[]>(
  notation: Notation,
  parse: (written: unknown) => Read<T>,
) {
  const format = (value: string | number | boolean | readonly unknown[]) =>
    typeof value === 'object' ? [...value] : value;
  return noted(notation, codec(WRITTEN_OR_LIST, parse, format));
}

type Read<T> =
  | { readonly value: T }
  | { readonly problems: readonly { readonly index: number | null; readonly problem: string }[] };

function problemsOf<T>(parse: (text: string) => Parsed<T>) {
  return (written: string | number | boolean): Read<T> => {
    const parsed = parse(String(written));
    return 'value' in parsed ? parsed : { problems: [{ index: null, problem: parsed.problem }] };
  };
}

function codec<W extends z.ZodMiniType, T>(
  written: W,
  parse: (written: z.output<W>) => Read<T>,
  format: (value: T) => z.output<W>,
) {
  return z.codec(written, MEANT as z.ZodMiniCustom<T, T>, {
    decode: (input, payload) => {
      const parsed = parse(input);
      if ('value' in parsed) return parsed.value;
      for (const { index, problem } of parsed.problems) {
        payload.issues.push({ code: 'custom', message: problem, input, path: index === null ? [] : [index] });
      }
      return z.NEVER;
    },
    encode: (value, payload) => {
      // zod calls this for omitted keys as well, and treats an issue as an absent value.
      if (value !== undefined) return format(value);
      payload.issues.push({ code: 'custom', input: value });
      return z.NEVER;
    },
  });
}
