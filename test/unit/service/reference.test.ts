import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import * as library from '../../../src/service/index.ts';
import { ROOT } from '../../support/paths.ts';

test('docs/reference/library.md is up to date, and has every export', async () => {
  const { libraryReference }: { libraryReference: (root: string) => string } = await import(
    pathToFileURL(join(ROOT, 'scripts/library-reference.js')).href
  );
  const written = readFileSync(join(ROOT, 'docs/reference/library.md'), 'utf8');
  assert.equal(written, libraryReference(ROOT), 'run: node scripts/library-reference.js');
  for (const name of Object.keys(library)) assert.match(written, new RegExp(`^## ${name}$`, 'm'));
});

test('every option and every field has a docstring if it needs one', () => {
  const written = readFileSync(join(ROOT, 'docs/reference/library.md'), 'utf8');
  const options = written.match(/^\| `\w+\?` \| .*$/gm) ?? [];
  assert.ok(options.length > 10);
  assert.deepEqual(
    options.filter((line) => line.endsWith('|  |')),
    [],
  );
});
