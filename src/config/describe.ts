import type { $ZodType, $ZodTypes } from 'zod/v4/core';
import { descriptions, notationOf } from './schema/key.ts';
import { structureOf } from './schema/structure.ts';
import { fileSchema } from './schema.ts';

/** One key of the config file, for the reference. */
export interface KeyDescription {
  /** `service.listeners[].name` */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** In the notation of the file; null if there is none, or if the description contains it. */
  readonly default: string | null;
  readonly description: string;
}

/** All keys of the config file in the order of the schema, a mapping before its own keys. */
export function describeKeys(): KeyDescription[] {
  return describeMapping(fileSchema, '');
}

function describeMapping(schema: $ZodType, prefix: string): KeyDescription[] {
  const structure = structureOf(schema);
  if (structure.type === 'list') return describeMapping(structure.element, `${prefix}[]`);
  if (structure.type === 'scalar') return [];
  return Object.entries(structure.shape).flatMap(([name, child]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    return [describeKey(path, child), ...describeMapping(child, path)];
  });
}

function describeKey(path: string, schema: $ZodType): KeyDescription {
  const { def } = (schema as $ZodTypes)._zod;
  return {
    path,
    type: typeName(schema),
    required: def.type !== 'optional' && def.type !== 'prefault',
    default: def.type === 'prefault' ? writtenDefault(def.defaultValue) : null,
    description: descriptions.get(schema)?.description ?? '',
  };
}

function typeName(schema: $ZodType): string {
  const structure = structureOf(schema);
  if (structure.type === 'mapping') return 'mapping';
  if (structure.type === 'list') return `list of ${typeName(structure.element)}`;
  if (structure.choices.length > 0) return structure.choices.join(', ');
  return notationOf(structure.schema)?.kind ?? 'text';
}

// The default of a mapping consists of the defaults of its keys.
function writtenDefault(value: unknown): string | null {
  if (Array.isArray(value)) return `[${value.join(', ')}]`;
  if (value === '' || typeof value === 'object') return null;
  return String(value);
}
