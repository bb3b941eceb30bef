import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MARK = join('test', 'fixtures', 'puppet.js');

function findRoot(): string {
  for (const start of [dirname(fileURLToPath(import.meta.url)), process.cwd()]) {
    for (let folder = start; ; folder = dirname(folder)) {
      if (existsSync(join(folder, MARK))) return folder;
      if (folder === dirname(folder)) break;
    }
  }
  throw new Error(`the checkout was not found: no ${MARK} above ${import.meta.url} or ${process.cwd()}`);
}

/**
 * The checkout. Compiled tests run from build/. The compiler does not copy the fixtures, which are plain JavaScript.
 * Both are found from the directory that contains the fixtures.
 */
export const ROOT = findRoot();

/** The directory of the services that tests start. */
export const FIXTURES: string = join(ROOT, 'test', 'fixtures');

/** Absolute path of a file in test/fixtures. */
export function fixture(name: string): string {
  return join(FIXTURES, name);
}

/** The command that starts zero from the checkout. */
export const ZERO_COMMAND: readonly [string, string] = [process.execPath, join(ROOT, 'bin', 'zero.js')];
