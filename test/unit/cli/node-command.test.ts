import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { whatStarts } from '../../../src/cli/node-command.ts';
import { temporaryFolder } from '../../support/temporary.ts';

describe('a command', () => {
  it('is node by its name', () => {
    for (const name of ['node', '/usr/bin/node', './node', 'nodejs', 'node20', 'node-22', 'node22.1'])
      assert.deepEqual(whatStarts([name, 'app.js']), { kind: 'node' }, name);
    for (const name of ['', 'deno', 'bun', 'nodemon', 'ts-node', 'sh', './app.js'])
      assert.deepEqual(whatStarts([name, 'app.js']), { kind: 'other' }, name);
    assert.deepEqual(whatStarts([]), { kind: 'other' });
  });

  it('is node by what its name leads to', (t) => {
    const folder = temporaryFolder(t);
    const link = join(folder, 'my-service');
    symlinkSync(process.execPath, link);
    assert.deepEqual(whatStarts([link]), { kind: 'node' });
  });

  it('is what env(1) executes', () => {
    for (const before of [
      ['env'],
      ['/usr/bin/env', 'A=1', 'B='],
      ['env', '-u', 'A', '--', 'B=1'],
      ['env', '-uA', '--unset=B', '-C', '/tmp', '--chdir=/tmp', 'A=--x'],
    ])
      assert.deepEqual(whatStarts([...before, 'node', 'app.js']), { kind: 'node' }, before.join(' '));
    // Nothing of the environment reaches it, or nobody knows what it executes.
    for (const before of [
      ['env', '-i'],
      ['env', '-'],
      ['env', '-S'],
      ['env', '--ignore-environment'],
    ])
      assert.deepEqual(whatStarts([...before, 'node', 'app.js']), { kind: 'other' }, before.join(' '));
    assert.deepEqual(whatStarts(['env']), { kind: 'other' });
  });

  it('is a package manager, and what that would start is known from package.json', (t) => {
    const folder = temporaryFolder(t);
    const scripts = { start: 'node server.js --fast', dev: 'node dev.js' };
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }));
    const instead = (...command: string[]) => {
      const found = whatStarts(command, folder);
      assert.ok(found.kind === 'package_manager');
      assert.equal(
        found.name,
        command.find((word) => /npm|npx|yarn|pnpm|bunx/.test(word))?.replace(/.*\//, ''),
      );
      return found.instead;
    };
    assert.equal(instead('npm', 'start'), 'node server.js --fast');
    assert.equal(instead('/usr/bin/npm', '--silent', 'run', 'dev'), 'node dev.js');
    assert.equal(instead('yarn', 'dev'), 'node dev.js');
    assert.equal(instead('env', 'A=1', 'pnpm', 'run-script', 'dev'), 'node dev.js');
    assert.equal(instead('npm', 'run', 'other'), null);
    assert.equal(instead('npm'), null);
    assert.equal(instead('npx', 'serve'), null);
    assert.equal(instead('bunx', 'serve'), null);
    writeFileSync(join(folder, 'package.json'), '{');
    assert.equal(instead('npm', 'start'), null);
  });
});
