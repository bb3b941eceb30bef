import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from '../../../support/temporary.ts';

const MODULE = new URL('../../../../src/supervisor/start/own-command.js', import.meta.url).href;

/** The result for a program that was started with these words in the directory. */
function found(folder: string, ...words: string[]) {
  const output = execFileSync(process.execPath, words, {
    cwd: folder,
    encoding: 'utf8',
    env: { PWD: folder },
  });
  return JSON.parse(output);
}

it('the script is found by the symbolic link that started it, with its options and arguments', (t) => {
  const folder = temporaryFolder(t);
  const text = `import { ownCommand } from '${MODULE}'; console.log(JSON.stringify(ownCommand()));`;
  writeFileSync(join(folder, 'real.mjs'), text);
  symlinkSync('real.mjs', join(folder, 'link'));
  writeFileSync(join(folder, 'own.cjs'), '');
  const preload = pathToFileURL(join(folder, 'own.cjs')).href;
  for (const link of ['link', './link', join(folder, 'link')]) {
    assert.deepEqual(found(folder, '--import', preload, '--no-warnings', link, 'run', '--', '', 'ä b'), {
      node: process.execPath,
      options: ['--import', preload, '--no-warnings'],
      script: join(folder, 'link'),
      args: ['run', '--', '', 'ä b'],
    });
  }
  assert.deepEqual(found(folder, 'real.mjs'), {
    node: process.execPath,
    options: [],
    script: join(folder, 'real.mjs'),
    args: [],
  });
});
