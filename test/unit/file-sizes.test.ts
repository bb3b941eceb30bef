import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../support/paths.ts';

/** A longer file has more than one subject. */
const MAX_LINES = 350;

/** A shorter file cannot be understood without its neighbours. Its code belongs to the code that uses it. */
const MIN_LINES = 21;

/** The reason for a shorter file. */
const SHORT_FILES: Readonly<Record<string, string>> = {
  'src/admin/dashboard/assets.ts': 'replaced as a whole when it is bundled (scripts/page-assets.js)',
  'src/cli/main.ts': 'entry point of the command: everything else is loaded from here',
  'src/cli/version.ts': 'the only reader of package.json, loaded by every command',
  'src/config/index.ts': 'the public names of the folder',
  'src/service/index.ts': 'the public names of the library',
  'src/lifecycle/copy.ts': 'plain data, without a subject of the core: used by all of it and by the shell',
  'src/workers/conventions/einhorn.ts': 'one file for each environment convention',
  'src/workers/conventions/fpm.ts': 'one file for each environment convention',
  'src/workers/conventions/nginx.ts': 'one file for each environment convention',
  'src/workers/conventions/zero.ts': 'one file for each environment convention',
};

function lineCounts(): Map<string, number> {
  const names = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const count = (name: string) => readFileSync(join(ROOT, 'src', name), 'utf8').split('\n').length - 1;
  return new Map(names.map((name) => [`src/${name}`, count(name)]));
}

test(`no source file has more than ${MAX_LINES} lines`, () => {
  const long = [...lineCounts()].filter(([, lines]) => lines > MAX_LINES);
  assert.deepEqual(long, [], 'split these files by subject');
});

test(`a source file of fewer than ${MIN_LINES} lines has a listed reason`, () => {
  const short = [...lineCounts()].filter(([, lines]) => lines < MIN_LINES).map(([name]) => name);
  assert.deepEqual(
    short.sort(),
    Object.keys(SHORT_FILES).sort(),
    'join these files with the code that uses them',
  );
});
