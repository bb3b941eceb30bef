import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { OwnCommand } from '../../../../src/supervisor/start/own-command.ts';
import { programsFor } from '../../../../src/supervisor/upgrade/programs.ts';
import { type Scope, temporaryFolder } from '../../../support/temporary.ts';

const NOTHING = { script: null, node: null };

/** A machine with these executables. `path` returns the path of one of them. */
function machine(t: Scope, ...files: readonly string[]) {
  const root = realpathSync(temporaryFolder(t));
  const path = (name: string) => join(root, name);
  for (const file of files) {
    mkdirSync(dirname(path(file)), { recursive: true });
    writeFileSync(path(file), '', { mode: 0o755 });
  }
  return { root, path };
}

function startedBy(node: string, script: string): OwnCommand {
  return { node, options: ['--no-warnings'], script, args: ['--config', 'x.yaml'] };
}

test('a node that was started by its path runs the new zero with the same options and arguments', (t) => {
  const { path } = machine(t, 'node20/bin/node', 'zero.js');
  const own = startedBy(path('node20/bin/node'), path('zero.js'));
  const [first] = programsFor(own, NOTHING, '', '/nonexistent/node');
  assert.deepEqual(first, { name: own.node, ...own });
});

test('after an nvm switch the node next to the new zero is found, then that on PATH, then the caller', (t) => {
  const old = 'v20/lib/node_modules/zerodown/bin/zero.js';
  const { root, path } = machine(
    t,
    'v22/lib/node_modules/zerodown/bin/zero.js',
    'v22/bin/node',
    'usr/bin/node',
    'caller/node',
  );
  symlinkSync('../lib/node_modules/zerodown/bin/zero.js', path('v22/bin/zero'));
  const own = startedBy('node', path(old));
  const wanted = { script: path('v22/bin/zero'), node: path('caller/node') };
  const nodes = programsFor(own, wanted, path('usr/bin'), path('v20/bin/node')).map(({ node }) => node);
  assert.deepEqual(nodes, ['v22/bin/node', 'usr/bin/node', 'caller/node'].map(path));
  assert.throws(() => programsFor(own, NOTHING, '', root), {
    message: `${path(old)} does not exist. Specify the new zero with: zero upgrade PATH`,
  });
});
