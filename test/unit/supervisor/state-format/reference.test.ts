import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../../support/paths.ts';
import { SAMPLES } from './support.ts';

/** Their fields have the names of the config, of getrusage(2) and of other formats. */
const DESCRIBED_ELSEWHERE = [
  'settings',
  'usage',
  'exit',
  'http',
  'command',
  'canary',
  'config',
  'address',
  'running',
];

test('the reference has every field of the recorded documents of version 2', () => {
  const reference = readFileSync(join(ROOT, 'docs/reference/formats.md'), 'utf8');
  const fields = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) {
        fields.add(key);
        if (!DESCRIBED_ELSEWHERE.includes(key)) visit(inner);
      }
  };
  for (const [name, text] of SAMPLES) if (name.startsWith('state-2-')) visit(JSON.parse(text));
  assert.ok(fields.size > 80, `${fields.size} fields`);
  const missing = [...fields].filter((field) => !reference.includes(`\`${field}\``));
  assert.deepEqual(missing, []);
});
