import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NODE_MAJORS, requireNode } from '../support/nodes.ts';
import { DEADLINE } from '../support/zero.ts';

/** The compiled unit tests of drain, which use real servers and clients. */
const FOLDER = fileURLToPath(new URL('../unit/service/drain/', import.meta.url));

interface Run {
  readonly code: number;
  readonly text: string;
}

function runTests(node: string, files: readonly string[]): Promise<Run> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ['--test', '--test-reporter=tap', ...files];
  return new Promise((resolve) => {
    execFile(node, args, { env, maxBuffer: 10_000_000, timeout: DEADLINE.timeout }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), text: stdout });
    });
  });
}

describe('drain', () => {
  for (const major of NODE_MAJORS) {
    if (process.versions.node.startsWith(`${major}.`)) continue;
    it(`passes its tests on Node ${major} as on Node ${process.versions.node}`, DEADLINE, async (t) => {
      const node = requireNode(t, major);
      if (node === null) return;
      const files = readdirSync(FOLDER).filter((name) => name.endsWith('.test.js'));
      assert.ok(files.length >= 7, files.join());
      const { code, text } = await runTests(
        node,
        files.map((name) => join(FOLDER, name)),
      );
      const failed = text.split('\n').filter((line) => /^ *not ok/.test(line));
      assert.deepEqual([code, failed], [0, []], text.slice(-4000));
      const [, passed = '0'] = /^# pass (\d+)$/m.exec(text) ?? [];
      assert.ok(Number(passed) >= 60, text.slice(-500));
    });
  }
});
