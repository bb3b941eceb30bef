import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorStatus, routes } from '../../../src/control/protocol.ts';
import { ROOT } from '../../support/paths.ts';

const reference = readFileSync(join(ROOT, 'docs/reference/control.md'), 'utf8');

test('the reference lists exactly the existing errors', () => {
  const named = [...reference.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  assert.deepEqual(named, Object.entries(errorStatus));
});

test('the reference lists exactly the existing routes', () => {
  const named = [...reference.matchAll(/^\| `(GET|POST) (\S+)` \|/gm)].map(
    ([, method, path]) => `${method} ${path}`,
  );
  assert.deepEqual(
    named,
    Object.values(routes).map(({ method, path }) => `${method} ${path}`),
  );
});
