import * as z from 'zod/mini';
import type { $ZodType } from 'zod/v4/core';
import type { ListenerAddress } from './address.ts';
import { structureOf } from './schema/structure.ts';
import type { FileConfig } from './schema.ts';

/** A value some of whose parts may be missing because the file has them wrong. Lists keep their indexes. */
export type Parts<T> = T extends ListenerAddress
  ? T
  : T extends readonly (infer Element)[]
    ? readonly (Parts<Element> | undefined)[]
    : T extends object
      ? { readonly [Key in keyof T]?: Parts<T[Key]> | undefined }
      : T;

export type ConfigParts = Parts<FileConfig>;

/** What is right in a file that is not right as a whole, so that rules between keys can be checked all the same. */
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
