import assert from 'node:assert/strict';
import { test } from 'node:test';
import { substitute } from '../../../../src/workers/spawning/spawner.ts';

const placeholders = {
  generation: 3,
  worker: 1,
  listeners: [
    { name: 'http', target: 5 },
    { name: 'a.b-c', target: 12 },
  ],
};

const cases = [
  ['${fd.http}', '5'],
  ['--fd=${fd.a.b-c},${fd.http}', '--fd=12,5'],
  ['g${generation}w${worker}', 'g3w1'],
  ['${fd.nobody} ${HOME} $fd ${} ${fd.} ${generation', '${fd.nobody} ${HOME} $fd ${} ${fd.} ${generation'],
  ['$${worker}', '$1'],
  ['', ''],
] as const;

for (const [text, expected] of cases) {
  test(`"${text}" becomes "${expected}"`, () => {
    assert.equal(substitute(text, placeholders), expected);
  });
}
