import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseArguments } from '../../../src/cli/arguments.ts';
import { EXIT } from '../../../src/cli/exit-code.ts';
import { ROOT } from '../../support/paths.ts';
import { capturedOutput } from './captured-output.ts';

const REFERENCE = readFileSync(join(ROOT, 'docs', 'reference', 'commands.md'), 'utf8');

/** The words after a flag in the fish completion. */
async function defined(flag: RegExp): Promise<Set<string>> {
  const text = await capturedOutput(() => parseArguments(['completion', 'fish']));
  return new Set([...text.matchAll(flag)].map(([, word = '']) => word));
}

test('the reference lists exactly the existing commands and options', async () => {
  const commands = await defined(/^complete .*-z \(__zero_command\).* -a (\S+) -d/gm);
  const written = new Set([...REFERENCE.matchAll(/`zero ([a-z]+)/g)].map(([, word = '']) => word));
  assert.deepEqual([...written].sort(), [...commands].sort());
  const options = await defined(/^complete .* -l (\S+)/gm);
  const documented = new Set([...REFERENCE.matchAll(/--([a-z-]+[a-z])/g)].map(([, word = '']) => word));
  assert.deepEqual([...documented].sort(), [...options].sort());
});

test('the reference lists exactly the existing exit codes', () => {
  const codes = [...REFERENCE.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(
    codes,
    Object.values(EXIT).sort((one, other) => one - other),
  );
});
