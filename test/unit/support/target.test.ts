import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTarget } from '../../support/target.ts';

const CASES: readonly [string, ReturnType<typeof parseTarget>][] = [
  ['8080', { host: '127.0.0.1', port: 8080 }],
  [':8080', { host: '127.0.0.1', port: 8080 }],
  ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['localhost:80', { host: 'localhost', port: 80 }],
  ['0.0.0.0:80', { host: '127.0.0.1', port: 80 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['[::]:80', { host: '::1', port: 80 }],
  ['tcp:127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['tcp:80', { host: '127.0.0.1', port: 80 }],
  ['tcp4:127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['tcp6:[::1]:80', { host: '::1', port: 80 }],
  ['tcp6::80', { host: '::1', port: 80 }],
  ['/run/a.sock', { path: '/run/a.sock' }],
  ['unix:/run/a.sock', { path: '/run/a.sock' }],
  ['unix:@name', { path: '\0name' }],
  ['@name', { path: '\0name' }],
];

for (const [text, target] of CASES) {
  test(`reads ${text}`, () => assert.deepEqual(parseTarget(text), target));
}

test('an invalid address is refused', () => {
  for (const text of ['', 'localhost', '::1:80', 'localhost:http'])
    assert.throws(() => parseTarget(text), /not an address/);
});
