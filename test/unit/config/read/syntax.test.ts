import assert from 'node:assert/strict';
import test from 'node:test';
import { problemsOf } from '../fixture.ts';

for (const [name, text, problems] of [
  ['empty', '', ['1:1: is empty: it must describe a service']],
  ['only comments', '# a\n# b\n', ['1:1: is empty: it must describe a service']],
  ['a list', '- a\n', ['1:1: the file is a list, and must be a mapping']],
  ['a word', 'hello\n', ['1:1: the file is "hello", and must be a mapping']],
  ['null', '~\n', ['1:1: the file is nothing, and must be a mapping']],
  ['a tab', 'service:\n\truntime: 1\n', ['2:1: a tab indents this line: YAML needs spaces']],
  ['an open quote', 'service: "x\n', ['2:1: YAML: Missing closing "quote']],
  ['two values', 'service: a: b\n', ['1:10: YAML: Nested mappings are not allowed in compact mappings']],
  [
    'two documents',
    'service: {}\n---\nservice: {}\n',
    ['2:1: a second document begins here: a config is one document'],
  ],
  ['binary', '\x7fELF\x02\x01\0\0', ['1:5: is not text: it has a control character here']],
  ['a NUL further down', 'service:\n  run\0time: 1\n', ['2:6: is not text: it has a control character here']],
  [
    'larger than 1 MiB',
    '#'.repeat(1024 * 1024 + 1),
    ['1:1: is larger than 1 MiB: it is not a config of zero'],
  ],
  [
    'an unknown anchor',
    'service: { runtime: { path: /x, args: *none } }\n',
    ['1:39: service.runtime.args: no anchor &none comes before this'],
  ],
  [
    'a tag',
    'service: { runtime: { path: !env HOME } }\n',
    ['1:29: unresolved tag: !env: a config has no tags'],
  ],
  [
    'a mapping for a key',
    'service: { runtime: { path: /x, ? [a] : b } }\n',
    ['1:21: service.runtime: a key must be a plain word'],
  ],
  [
    'a merge key without a mapping',
    'service: { runtime: { <<: 1, path: /x } }\n',
    ['1:21: service.runtime: a merge key "<<" needs a mapping'],
  ],
  [
    'duplicate keys next to other problems',
    'service:\n  runtime: { path: /a, path: /b, "args": [], "args": [] }\n  runtime: {}\n  foo: 1\n',
    [
      '2:24: duplicate key "path"',
      '2:46: duplicate key "args"',
      '3:3: duplicate key "runtime"',
      '4:3: unknown key "foo"',
    ],
  ],
] as const) {
  test(name, () => assert.deepEqual(problemsOf(text), problems));
}

test('a merge that contains itself is refused', () => {
  assert.deepEqual(problemsOf('service: &a\n  <<: *a\n  runtime: { path: /x }\n'), [
    '2:3: service: more than 1000 merge keys',
  ]);
});

test('multiplying aliases are refused', () => {
  const levels = Array.from({ length: 20 }, (_, level) => {
    const alias = level === 0 ? '{ path: /x }' : `{ <<: [${`*l${level - 1}, `.repeat(9)}*l${level - 1}] }`;
    return `  l${level}: &l${level} ${alias}\n`;
  });
  const problems = problemsOf(`service:\n${levels.join('')}  runtime: { <<: *l19 }\n`);
  assert.ok(problems.some((problem) => problem.endsWith('more than 1000 merge keys')));
});

test('a key named __proto__ is an unknown key', () => {
  assert.deepEqual(problemsOf('service: { runtime: { path: /x }, __proto__: { a: 1 }, constructor: 1 }\n'), [
    '1:35: unknown key "__proto__"',
    '1:56: unknown key "constructor"',
  ]);
});
