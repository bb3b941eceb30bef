import * as z from 'zod/mini';
import type { $ZodType } from 'zod/v4/core';
import type { ListenerAddress } from './address.ts';
import { structureOf } from './schema/structure.ts';
import type { FileConfig } from './schema.ts';

/** A value whose invalid parts may be missing. Lists keep their indexes. */
export type Parts<T> = T extends ListenerAddress
  ? T
  : T extends readonly (infer Element)[]
    ? readonly (Parts<Element> | undefined)[]
    : T extends object
      ? { readonly [Key in keyof T]?: Parts<T[Key]> | undefined }
      : T;

export type ConfigParts = Parts<FileConfig>;

/** The valid parts of an invalid file, so that the rules between keys can be checked nevertheless. */
export function validParts(schema: $ZodType, file: unknown): ConfigParts {
  return (partsOf(schema, file) ?? {}) as ConfigParts;
}

function partsOf(schema: $ZodType, value: unknown): unknown {
  const structure = structureOf(schema);
  if (structure.type === 'mapping' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const children = Object.entries(structure.shape);
    return Object.fromEntries(children.map(([key, child]) => [key, partsOf(child, Reflect.get(value, key))]));
  }
  if (structure.type === 'list' && Array.isArray(value))
    return value.map((item) => partsOf(structure.element, item));
  const parsed = z.safeParse(schema, value);
  return parsed.success ? parsed.data : undefined;
}
