import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../support/paths.ts';

const WIDTH = 120;

/** The Markdown files of the project, by their path in it. */
function documents(): string[] {
  const inFolders = ['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  return [...readdirSync(ROOT), ...inFolders].filter((name) => name.endsWith('.md')).sort();
}

/** The lines of prose with their numbers: no tables, code, or lines of one word, such as an address. */
function* proseLines(text: string): Generator<readonly [number: number, line: string]> {
  let inCode = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*```/.test(line)) inCode = !inCode;
    const isOther = inCode || /^(\||\s{4})/.test(line) || !line.trim().includes(' ');
    if (!isOther) yield [index + 1, line];
  }
}

/** Words that this project does not use, each with those that it uses instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bwithout a word\b/, 'unexpectedly'],
  [/\bthere is no such\b/, '"unknown", "does not exist"'],
  [/\bis no (listener|number|socket|file|duration|signal|address)\b/, '"unknown ...", "must be ..."'],
  [/\blet(s)? go of\b/, 'release'],
  [/\brelief worker|\brelieves a lane\b/, 'rescue worker'],
  [/\bgoes on serving\b/, 'keeps serving'],
  [/\bwhoever\b/i, 'who it is'],
];

describe('the documentation', () => {
  for (const name of documents()) {
    const lines = [...proseLines(readFileSync(join(ROOT, name), 'utf8'))];

    it(`${name} has lines of at most ${WIDTH} characters`, () => {
      const long = lines.filter(([, line]) => line.length > WIDTH).map(([number]) => number);
      assert.deepEqual(long, []);
    });

    it(`${name} uses the words of the project`, () => {
      const found = lines.flatMap(([number, line]) =>
        WORDS.filter(([word]) => word.test(line)).map(
          ([word, better]) => `${number}: ${word}, write ${better}`,
        ),
      );
      assert.deepEqual(found, []);
    });
  }
});
