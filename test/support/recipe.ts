import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './paths.ts';
import type { RawConfig } from './zero-config.ts';

/** What docs/guide/programs.md says of one program. */
export interface Recipe {
  readonly config: RawConfig;
  /** A file of the program's own, by the language of its block; the empty text where there is none. */
  block(language: string): string;
}

/**
 * Reads a section of the guide, with the texts on the left replaced by those on the right wherever they stand: addresses and folders of
 * the test.
 */
export function readRecipe(section: string, replacements: Readonly<Record<string, string>>): Recipe {
  const guide = readFileSync(join(ROOT, 'docs', 'guide', 'programs.md'), 'utf8');
  let text = guide.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  if (text === undefined) throw new Error(`docs/guide/programs.md has no section ${section}`);
  for (const [from, to] of Object.entries(replacements)) text = text.replaceAll(from, to);
  const blocks = new Map(
    [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', body = '']) => [language, body]),
  );
  const block = (language: string): string => blocks.get(language) ?? '';
  return { config: parse(block('yaml')) as RawConfig, block };
}
