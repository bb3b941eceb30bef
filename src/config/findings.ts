import type { $ZodIssue, $ZodType } from 'zod/v4/core';
import { quoted } from '../common/text.ts';
import { nearMiss } from './near-miss.ts';
import { type Finding, formatPath, type Path, valueAt, wrongValue } from './path.ts';
import { notationOf } from './schema/key.ts';
import { schemaAt, structureOf } from './schema/structure.ts';

/** Converts an issue of the schema into messages. */
export function findingsOf(issue: $ZodIssue, root: $ZodType, file: unknown): Finding[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  const value = valueAt(file, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((name) => unknownKey([...path, name], root, file));
    case 'invalid_type':
      return value === undefined ? [missing(path)] : [wrongValue(path, wrongType(path, root, value))];
    case 'invalid_union':
      return [wrongValue(path, wrongType(path, root, value))];
    case 'invalid_value':
      return [wrongValue(path, wrongChoice(issue.values.map(String), value))];
    case 'too_small':
      if (issue.origin === 'array') return [wrongValue(path, 'is an empty list')];
      if (issue.inclusive === false)
        return [wrongValue(path, `${String(value)} is too small: more than ${issue.minimum}`)];
      return [wrongValue(path, `${String(value)} is too small: at least ${issue.minimum}`)];
    case 'too_big':
      return [wrongValue(path, `${String(value)} is too large: at most ${issue.maximum}`)];
    default:
      return [wrongValue(path, issue.message)];
  }
}

function missing(path: Path): Finding {
  const parent = path.slice(0, -1);
  const message = `missing key ${quoted(String(path.at(-1)))}`;
  return {
    path,
    about: 'key',
    message: parent.length === 0 ? message : `${formatPath(parent)}: ${message}`,
    named: false,
  };
}

function unknownKey(path: Path, root: $ZodType, file: unknown): Finding {
  const name = String(path.at(-1));
  const parent = path.slice(0, -1);
  const siblings = keysAt(root, parent);
  const present = valueAt(file, parent);
  const free = siblings.filter((key) => typeof present !== 'object' || present === null || !(key in present));
  const meant = nearMiss(name, free) ?? nearMiss(name, siblings);
  const message = `unknown key ${quoted(name)}`;
  const hint = meant === undefined ? elsewhere(name, root) : `: did you mean ${quoted(meant)}?`;
  return { path, about: 'key', message: message + hint, named: false };
}

function keysAt(root: $ZodType, path: Path): string[] {
  const schema = schemaAt(root, path);
  const structure = schema === undefined ? undefined : structureOf(schema);
  return structure?.type === 'mapping' ? Object.keys(structure.shape) : [];
}

/** A key that is valid in exactly one other place was written into the wrong mapping. */
function elsewhere(name: string, root: $ZodType): string {
  const places = findKey(name, root, '');
  return places.length === 1 ? `: it belongs in ${places[0] || 'the top level'}` : '';
}

function findKey(name: string, schema: $ZodType, path: string): string[] {
  const structure = structureOf(schema);
  if (structure.type === 'list') return findKey(name, structure.element, `${path}[]`);
  if (structure.type === 'scalar') return [];
  const deeper = Object.entries(structure.shape).flatMap(([key, child]) =>
    findKey(name, child, path === '' ? key : `${path}.${key}`),
  );
  return Object.hasOwn(structure.shape, name) ? [path, ...deeper] : deeper;
}

function wrongType(path: Path, root: $ZodType, value: unknown): string {
  const schema = schemaAt(root, path);
  const structure = schema === undefined ? undefined : structureOf(schema);
  const is = describe(value);
  if (structure === undefined) return `is ${is}`;
  if (structure.type === 'mapping')
    return path.length === 0 ? `the file is ${is}, and must be a mapping` : `must be a mapping, not ${is}`;
  if (structure.type === 'list') return `must be a list, not ${is}`;
  const wanted = structure.choices.length > 0 ? oneOf(structure.choices) : aNotation(structure.schema);
  return `must be ${wanted}, not ${is}`;
}

function aNotation(schema: $ZodType): string {
  const kind = notationOf(schema)?.kind ?? 'text';
  if (kind === 'text' || kind.includes('true') || kind.endsWith('es')) return kind;
  return `${/^[aeio]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

function wrongChoice(choices: readonly string[], value: unknown): string {
  const meant = typeof value === 'string' ? nearMiss(value, choices) : undefined;
  const hint = meant === undefined ? '' : `: did you mean ${quoted(meant)}?`;
  return `must be ${oneOf(choices)}, not ${describe(value)}${hint}`;
}

function oneOf(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join() : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? quoted(value) : String(value);
}
