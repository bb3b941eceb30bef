import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { findNode, NODE_MAJORS, requireNode } from '../../support/nodes.ts';

test('each installed version matches its requested name', () => {
  for (const major of NODE_MAJORS) {
    const node = findNode(major);
    if (node === null) continue;
    assert.match(execFileSync(node, ['--version'], { encoding: 'utf8' }), new RegExp(`^v${major}\\.`));
  }
});

test('a missing version is skipped with its command to install, and is an error on a build machine', () => {
  const skipped: (string | undefined)[] = [];
  const absent = 18 as (typeof NODE_MAJORS)[number];
  const context = { skip: (message?: string) => skipped.push(message) };
  assert.equal(requireNode(context, absent, false), null);
  assert.deepEqual(skipped, ['Node 18 is not installed: node scripts/nodes.js']);
  assert.throws(
    () => requireNode(context, absent, true),
    /Node 18 is not installed: node scripts\/nodes\.js/,
  );
});
