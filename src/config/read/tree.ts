import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import type { $ZodType } from 'zod/v4/core';
import { type Finding, type Path, wrongValue } from '../path.ts';
import { notationOf } from '../schema/key.ts';
import { type Structure, structureOf } from '../schema/structure.ts';
import { Positions } from './positions.ts';

/** The contents of the file as plain values, with the types of the schema where the file allows it. */
export interface Tree {
  readonly value: unknown;
  readonly positions: Positions;
  readonly findings: readonly Finding[];
}

// Merge keys may nest, multiply and, through an alias, contain themselves.
const MAX_MERGES = 1000;

/**
 * Reads a YAML document with the types of the schema: if text is expected, a scalar keeps its source text, so that
 * `0660`, `1e3` and `yes` stay as written. Only known keys are read, so aliases cannot expand without limit.
 */
export function readTree(document: Document.Parsed, schema: $ZodType): Tree {
  const reader = new TreeReader(document);
  const value = reader.read(document.contents, schema, [], null);
  return { value, positions: reader.positions, findings: reader.findings };
}

interface Entry {
  readonly name: string;
  readonly key: Node;
  readonly value: Node | null;
}

class TreeReader {
  readonly positions = new Positions();
  readonly findings: Finding[] = [];
  readonly #document: Document.Parsed;
  #merges = 0;

  constructor(document: Document.Parsed) {
    this.#document = document;
  }

  read(written: Node | null, schema: $ZodType, path: Path, key: Node | null): unknown {
    this.#note(path, key, written);
    const node = this.#target(written, path);
    const structure = structureOf(schema);
    if (isMap(node)) return structure.type === 'mapping' ? this.#mapping(node, structure.shape, path) : {};
    if (isSeq(node)) {
      const element = structure.type === 'mapping' ? undefined : structure.element;
      return element === undefined ? [] : this.#list(node, element, path);
    }
    return isScalar(node) ? readScalar(node, structure) : null;
  }

  #note(path: Path, key: Node | null, value: Node | null): void {
    const keyOffset = key?.range?.[0] ?? null;
    this.positions.set(path, { key: keyOffset, value: value?.range?.[0] ?? keyOffset ?? 0 });
  }

  #target(node: Node | null, path: Path): Node | null {
    if (!isAlias(node)) return node;
    const target = node.resolve(this.#document);
    if (target === undefined)
      this.findings.push(wrongValue(path, `no anchor &${node.source} comes before this`));
    return target ?? null;
  }

  #mapping(node: YAMLMap, shape: Readonly<Record<string, $ZodType>>, path: Path): unknown {
    // Without a prototype, so that `__proto__` is an ordinary key.
    const mapping: Record<string, unknown> = Object.create(null);
    for (const entry of this.#entries(node, path)) {
      const own = [...path, entry.name];
      const schema = Object.hasOwn(shape, entry.name) ? shape[entry.name] : undefined;
      if (schema === undefined) {
        this.#note(own, entry.key, entry.value);
        mapping[entry.name] = null;
      } else {
        const value = this.read(entry.value, schema, own, entry.key);
        if (value !== undefined && value !== null) mapping[entry.name] = value;
      }
    }
    return mapping;
  }

  /** The pairs of a mapping, then the additional pairs of its merge keys (yaml.org/type/merge). */
  #entries(node: YAMLMap, path: Path): Entry[] {
    const entries = new Map<string, Entry>();
    const merged: Node[] = [];
    for (const pair of node.items) {
      const key = this.#target(pair.key as Node | null, path);
      const value = pair.value as Node | null;
      if (!isScalar(key)) {
        this.findings.push(wrongValue(path, 'a key must be a plain word'));
      } else if (key.source === '<<' && key.type === 'PLAIN') {
        if (value !== null) merged.push(value);
      } else {
        const name = key.source ?? String(key.value);
        // The first of two equal keys counts. The second is reported as a problem.
        if (!entries.has(name)) entries.set(name, { name, key, value });
      }
    }
    for (const source of merged) {
      for (const entry of this.#mergedEntries(source, path)) {
        if (!entries.has(entry.name)) entries.set(entry.name, entry);
      }
    }
    return [...entries.values()];
  }

  #mergedEntries(source: Node, path: Path): Entry[] {
    this.#merges += 1;
    if (this.#merges > MAX_MERGES) {
      const message = `more than ${MAX_MERGES} merge keys`;
      if (this.#merges === MAX_MERGES + 1) this.findings.push(wrongValue(path, message));
      return [];
    }
    const node = this.#target(source, path);
    if (isMap(node)) return this.#entries(node, path);
    if (isSeq(node)) return node.items.flatMap((item) => this.#mergedEntries(item as Node, path));
    this.findings.push(wrongValue(path, 'a merge key "<<" needs a mapping'));
    return [];
  }

  #list(node: YAMLSeq, element: $ZodType, path: Path): unknown {
    return node.items.map((item, index) => this.read(item as Node | null, element, [...path, index], null));
  }
}

/** null: the file has no value here. */
function readScalar(node: Scalar, structure: Structure): unknown {
  const source = node.source ?? String(node.value ?? '');
  const plain = node.type === 'PLAIN';
  if (plain && node.value === null) {
    const verbatim = structure.type === 'scalar' && notationOf(structure.schema)?.verbatim === true;
    return verbatim ? source : null;
  }
  if (structure.type !== 'scalar' || structure.json === 'text') return source;
  if (structure.json === 'boolean') return typeof node.value === 'boolean' ? node.value : source;
  if (typeof node.value === 'number' && plain) return node.value;
  return /^\d+(\.\d+)?$/.test(source) ? Number(source) : source;
}
