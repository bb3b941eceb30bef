import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.ts';
import type { Material } from './mutate.ts';

/** A parser that reads input from outside. */
export interface Target extends Material {
  readonly name: string;
  /**
   * Passes an input to the parser. Throws if the parser neither returns a valid value nor refuses with its own error.
   * Returns the outcome in a few words.
   */
  check(input: Buffer): string | Promise<string>;
  close?(): void | Promise<void>;
}

const FOLDER = join(ROOT, 'test/fixtures/fuzz');

/** The kept inputs of a parser, by file name. */
export function keptInputs(parser: string): ReadonlyMap<string, Buffer> {
  const folder = join(FOLDER, parser);
  return new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}

export function corpusOf(parser: string, others: readonly Buffer[] = []): Buffer[] {
  return [...keptInputs(parser).values(), ...others];
}
