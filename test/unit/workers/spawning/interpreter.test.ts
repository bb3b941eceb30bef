import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { kindOfExecutable } from '../../../../src/workers/spawning/interpreter.ts';
import { folder } from '../support.ts';

test('a program, a script, and an interpreter of other files are distinguished', () => {
  const script = join(folder, 'python3');
  writeFileSync(script, '#!/usr/bin/python3\n');
  const kinds: [path: string, args: string[], kind: string][] = [
    ['/srv/app/server', ['--config', 'x'], 'program'],
    ['/usr/bin/node', ['server.js'], 'interpreter'],
    ['/usr/bin/node', [], 'program'],
    ['/usr/bin/env', ['node', 'server.js'], 'interpreter'],
    ['/usr/bin/python3.11', ['-m', 'app'], 'interpreter'],
    ['/bin/sh', ['-c', 'exec x'], 'interpreter'],
    ['/bin/dash', ['x'], 'interpreter'],
    ['/srv/nodemon', ['x'], 'program'],
    [script, ['x'], 'script'],
    ['/no/such', ['x'], 'program'],
  ];
  for (const [path, args, kind] of kinds) assert.equal(kindOfExecutable(path, args), kind, path);
});
