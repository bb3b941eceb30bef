import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './paths.ts';
import type { RawConfig } from './zero-config.ts';

/** The directory with one page for each program. */
export const RECIPES = join(ROOT, 'docs', 'guide', 'programs');

/** The page of one program in docs/guide/programs. */
export interface Recipe {
  /** The whole page. */
  readonly text: string;
  readonly config: RawConfig;
  /** A file of the program, by the language of its block; empty if there is none. */
  block(language: string): string;
}

/**
 * Reads docs/guide/programs/PROGRAM.md and replaces each text on the left by that on the right: addresses and
 * directories of the test.
 */
export function readRecipe(program: string, replacements: Readonly<Record<string, string>>): Recipe {
  let text = readFileSync(join(RECIPES, `${program}.md`), 'utf8');
  for (const [from, to] of Object.entries(replacements)) text = text.replaceAll(from, to);
  const blocks = new Map(
    [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', body = '']) => [language, body]),
  );
  const block = (language: string): string => blocks.get(language) ?? '';
  return { text, config: parse(block('yaml')) as RawConfig, block };
}
