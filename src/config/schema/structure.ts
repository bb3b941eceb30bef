import type { $ZodObjectDef, $ZodType, $ZodTypes } from 'zod/v4/core';
import { notationOf } from './key.ts';

/** What a schema expects: a mapping, a list, or one of the scalars. */
export type Structure =
  | { readonly type: 'mapping'; readonly shape: Readonly<Record<string, $ZodType>> }
  | { readonly type: 'list'; readonly element: $ZodType }
  | {
      readonly type: 'scalar';
      readonly json: 'text' | 'number' | 'boolean';
      readonly choices: readonly string[];
      readonly schema: $ZodType;
      /** What the items are where a list may stand in its place. */
      readonly element?: $ZodType | undefined;
    };

/** Looks through defaults and through what scalars are turned into: this is about the file, not about the program. */
export function structureOf(schema: $ZodType): Structure {
  const { def } = (schema as $ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'prefault':
      return structureOf(def.innerType);
    case 'object':
      return { type: 'mapping', shape: (def as $ZodObjectDef).shape };
    case 'array':
      return { type: 'list', element: def.element };
    case 'enum':
      return { type: 'scalar', json: 'text', choices: Object.values(def.entries).map(String), schema };
    case 'number':
    case 'boolean':
      return { type: 'scalar', json: def.type, choices: [], schema };
    default:
      return { type: 'scalar', json: 'text', choices: [], schema, element: notationOf(schema)?.element };
  }
}

/** The schema at a path of the file; undefined where the schema has nothing. */
export function schemaAt(root: $ZodType, path: readonly (string | number)[]): $ZodType | undefined {
  let schema: $ZodType | undefined = root;
  for (const part of path) {
    if (schema === undefined) return undefined;
    const structure: Structure = structureOf(schema);
    if (structure.type === 'mapping') schema = structure.shape[part];
    else schema = structure.element;
  }
  return schema;
}
