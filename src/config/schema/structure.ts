import type { $ZodObjectDef, $ZodType, $ZodTypes } from 'zod/v4/core';
import { notationOf } from './key.ts';

/** The expected structure: a mapping, a list, or a scalar. */
export type Structure =
  | { readonly type: 'mapping'; readonly shape: Readonly<Record<string, $ZodType>> }
  | { readonly type: 'list'; readonly element: $ZodType }
  | {
      readonly type: 'scalar';
      readonly json: 'text' | 'number' | 'boolean';
      readonly choices: readonly string[];
      readonly schema: $ZodType;
      /** The schema of the items if a list is allowed instead. */
      readonly element?: $ZodType | undefined;
    };

/** The structure of the file, without defaults and without the types that scalars are converted to. */
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

/** The schema at a path of the file; undefined if there is none. */
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
