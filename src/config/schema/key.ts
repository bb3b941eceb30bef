import * as z from 'zod/mini';
import type { $ZodType } from 'zod/v4/core';
import type { Parsed } from '../../common/text.ts';

/** What each key is for: one or two sentences, for the JSON Schema and the reference. */
export const descriptions = z.registry<{ readonly description: string }>();

/** How a scalar is written, for the reference and for the text that messages use. */
export interface Notation {
  /** In one or two words, `duration`, `signal`. */
  readonly kind: string;
  /** `null`, `~` and the like are text here, not a key that is left out. */
  readonly verbatim?: boolean;
  /** Its JSON types where it is more than a string: an unquoted number is fine, for instance; or all of its JSON Schema. */
  readonly json?: readonly string[] | Readonly<Record<string, unknown>>;
  /** What the items are where a list may stand in place of the scalar. */
  readonly element?: $ZodType;
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
const WRITTEN_PLAIN = z.union([WRITTEN, z.number(), z.boolean()]);
const WRITTEN_OR_LIST = z.union([WRITTEN_PLAIN, z.array(z.unknown())]);
const MEANT = z.custom<unknown>();

/** A scalar that is written as text and means something else: `parse` reads the text of the file, `format` writes it back. */
export function scalar<T>(
  notation: Notation,
  parse: (text: string) => Parsed<T>,
  format: (value: T) => string,
) {
  return noted(notation, codec(WRITTEN, problemsOf(parse), format));
}

/** A scalar that is a word, a number or true or false, and is written back as such. */
export function choice<T extends string | number | boolean>(
  notation: Notation,
  parse: (text: string) => Parsed<T>,
) {
  return noted(
    notation,
    codec(WRITTEN_PLAIN, problemsOf(parse), (value: T) => value),
  );
}

/** A word or true or false, or a list in its place. */
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
      // zod asks here for keys that are left out as well, and takes an issue for the answer that there is none.
      if (value !== undefined) return format(value);
      payload.issues.push({ code: 'custom', input: value });
      return z.NEVER;
    },
  });
}
