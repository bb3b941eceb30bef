import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configText } from '../../../../src/cli/init/config-text.ts';
import { guess } from '../../../../src/cli/init/guess.ts';
import { type Config, formatProblem, parseConfig } from '../../../../src/config/index.ts';
import { readRecipe } from '../../../support/recipe.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const COMMAND = /^`zero init (?:--listen (\S+) )?-- ([^`]+)` writes this config\./m;

function serviceOf(text: string): Config['service'] {
  const parsed = parseConfig(text, 'zero.yaml');
  if ('problems' in parsed) assert.fail(parsed.problems.map(formatProblem).join('\n'));
  return parsed.config.service;
}

/** The settings that a recipe must have, in the form of the program. */
function essence({ listeners, runtime, options, readiness }: Config['service']) {
  return {
    addresses: listeners.map(({ address }) => address.text),
    args: runtime.args,
    protocols: runtime.protocols,
    options,
    notify: readiness.notify,
  };
}

for (const program of ['nginx', 'gunicorn', 'uvicorn', 'puma', 'haproxy']) {
  test(`zero init writes the recipe of ${program}`, (t) => {
    const folder = temporaryFolder(t);
    const recipe = readRecipe(program, { '/srv/example': folder });
    for (const [language, file] of [
      ['nginx', 'nginx.conf'],
      ['haproxy', 'haproxy.cfg'],
    ] as const) {
      if (recipe.block(language) !== '') writeFileSync(join(folder, file), recipe.block(language));
    }
    const [, address, command = ''] = COMMAND.exec(recipe.text) ?? [];
    const guessed = guess(command.split(' '), folder, address === undefined ? [] : [address]);
    assert.deepEqual(guessed.changes, []);
    const listen = address === undefined ? guessed.addresses : [address];
    const path = `/usr/bin/${program}`;
    const written = configText({
      ...guessed,
      directory: folder,
      preload: null,
      path,
      listen,
      file: 'zero.yaml',
    });
    // The pid file of an ordinary user is in the directory.
    const own = written.replaceAll(`pid ${folder}/`, 'pid /run/');
    assert.deepEqual(essence(serviceOf(own)), essence(serviceOf(JSON.stringify(recipe.config))));
  });
}
