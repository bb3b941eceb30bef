import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { EXAMPLES, PACKAGES } from '../../compat/place.ts';
import { SERVERS } from '../../compat/servers/index.ts';
import { RECIPES } from '../../support/recipe.ts';

/** All recipes. */
const GUIDE = readdirSync(RECIPES)
  .map((name) => readFileSync(join(RECIPES, name), 'utf8'))
  .join('');

/** zero's configs in examples/programs, as DIRECTORY/FILE. */
const configs = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yaml'),
);

describe('the servers of npm run compat', () => {
  it('have different titles', () => {
    const titles = SERVERS.map(({ title }) => title);
    assert.deepEqual(titles, [...new Set(titles)]);
  });

  it('use files that exist', () => {
    for (const { title, example, config, files = [] } of SERVERS) {
      for (const name of [...(config === undefined ? [] : [config]), ...files.map(([from]) => from)])
        assert.ok(existsSync(join(EXAMPLES, example, name)), `${title}: ${example}/${name}`);
    }
  });

  it('use every config in examples/programs', () => {
    const used = new Set(SERVERS.map(({ example, config }) => `${example}/${config}`));
    assert.deepEqual(
      configs.filter((name) => !used.has(name)),
      [],
    );
  });

  it('have their configs in the guide, as text or as a link', () => {
    for (const name of configs) {
      const path = join(EXAMPLES, name);
      const link = relative(RECIPES, path);
      assert.ok(GUIDE.includes(readFileSync(path, 'utf8')) || GUIDE.includes(`(${link})`), name);
    }
  });

  it('have a config, or a command for zero init', () => {
    for (const { title, config, command } of SERVERS)
      assert.notEqual(config === undefined, command === undefined, title);
  });

  it('have exact versions where npm installs them', () => {
    const file = join(PACKAGES, 'package.json');
    const { dependencies } = JSON.parse(readFileSync(file, 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const version of Object.values(dependencies)) assert.match(version, /^\d+\.\d+\.\d+$/);
    for (const { title, source } of SERVERS)
      if ('npm' in source) assert.ok(source.npm in dependencies, `${title}: ${source.npm}`);
  });
});
