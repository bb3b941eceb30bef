import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { it } from 'node:test';
import { ROOT } from '../support/paths.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const LINK = /\]\((?!https?:|#)([^)#]+)/g;

it('the package has all that the command and its README need, and nothing else', DEADLINE, (t) => {
  const folder = temporaryFolder(t);
  // It was built for these tests already.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [packed] = JSON.parse(
    execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
  ) as { filename: string; files: { path: string }[] }[];
  assert.ok(packed);
  execFileSync('tar', ['-xzf', join(folder, packed.filename), '-C', folder]);
  const root = join(folder, 'package');
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const names = packed.files.map(({ path }) => path);
  assert.deepEqual(
    names.filter((name) => /^(src|test|scripts|bench|build)\/|^\.|\.cjs\.map$/.test(name)),
    [],
  );
  const documents = names.filter((name) => name.endsWith('.md'));
  assert.ok(documents.length > 5);
  for (const name of documents) {
    for (const [, link = ''] of readFileSync(join(root, name), 'utf8').matchAll(LINK)) {
      const target = normalize(join(root, name, '..', link));
      assert.ok(existsSync(target), `${name} links to ${link}`);
    }
  }
  const zero = (...args: string[]) =>
    execFileSync(process.execPath, [join(root, 'bin', 'zero.js'), ...args], { cwd: root, encoding: 'utf8' });
  assert.equal(zero('check', '--config', 'config.example.yaml'), 'config.example.yaml: ok\n');
  assert.match(zero('run', '--help'), /^Usage: zero run /);
});
