import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findCommand } from '../../../../src/common/find-command.ts';
import { tools } from '../../../../src/workers/spawning/commands.ts';
import { folder } from '../support.ts';

test('a name is looked up in the directories of PATH, in their order', () => {
  const first = join(folder, 'first');
  const second = join(folder, 'second');
  for (const directory of [first, second]) mkdirSync(join(directory, 'folder'), { recursive: true });
  writeFileSync(join(first, 'plain'), '');
  for (const [directory, name] of [
    [second, 'plain'],
    [first, 'tool'],
    [second, 'tool'],
  ] as const) {
    writeFileSync(join(directory, name), '');
    chmodSync(join(directory, name), 0o755);
  }
  const path = `/no/such:${first}:${second}`;
  assert.equal(findCommand('tool', path), join(first, 'tool'));
  assert.equal(findCommand('plain', path), join(second, 'plain'));
  assert.equal(findCommand('folder', path), null);
  assert.equal(findCommand('missing', path), null);
  assert.equal(findCommand('', path), null);
  assert.equal(findCommand('./x/y', path), './x/y');
});

test('tools of the launcher are found with any PATH', () => {
  assert.match(tools.find('env'), /^\/.*\/env$/);
});
