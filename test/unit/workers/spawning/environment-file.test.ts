import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EnvironmentFileError,
  parseEnvironmentFile,
} from '../../../../src/workers/spawning/environment-file.ts';

function read(text: string): Record<string, string> {
  const parsed = parseEnvironmentFile(Buffer.from(text, 'latin1'));
  return Object.fromEntries([...parsed].map(([name, value]) => [name, value.toString('latin1')]));
}

const cases: readonly [string, string, Record<string, string>][] = [
  ['plain lines', 'A=1\nB=two words\n', { A: '1', B: 'two words' }],
  ['comments and blank lines', '# no\n\n  ; no=1\nA=1 # part of it\n', { A: '1 # part of it' }],
  ['a continued comment', '# no \\\nB=1\nA=1', { A: '1' }],
  ['the export prefix', 'export A=1\nexport\tB=2', { A: '1', B: '2' }],
  ['a name that starts with the prefix', 'exported=1', { exported: '1' }],
  ['an empty value', 'A=\nB=""\nC=', { A: '', B: '', C: '' }],
  ['single quotes keep everything', "A='a \\n $x \"'\n", { A: 'a \\n $x "' }],
  ['double quotes', 'A="a \\"b\\" \\\\ \\$x \\n"', { A: 'a "b" \\ $x \\n' }],
  ['newlines in quotes', 'A="1\n2"\nB=\'3\n4\'', { A: '1\n2', B: '3\n4' }],
  ['parts one after the other', 'A=a"b c"\'d\'e', { A: 'ab cde' }],
  ['a backslash joins lines', 'A=a\\\nb\nB="c\\\nd"', { A: 'ab', B: 'cd' }],
  ['blanks around an unquoted value are cut', 'A=   x y  \t\nB=z\\ \n', { A: 'x y', B: 'z ' }],
  ['blanks around a quoted value are kept inside', 'A= " x "  \n', { A: ' x ' }],
  ['Windows line ends', 'A=1\r\nB="2"\r\n', { A: '1', B: '2' }],
  ['dotted names and equal signs', 'a.b=c=d', { 'a.b': 'c=d' }],
  ['bytes other than UTF-8', 'A=\xff"\xfe"', { A: '\xff\xfe' }],
  ['a backslash at the end', 'A=a\\', { A: 'a' }],
  ['the last value of a duplicate name', 'A=1\nA=2', { A: '2' }],
  ['nothing', '', {}],
];

for (const [name, text, expected] of cases) {
  test(name, () => assert.deepEqual(read(text), expected));
}

const wrong: readonly [string, string, number][] = [
  ['a line without an equal sign', 'A=1\nsecret\n', 2],
  ['a line without a name', '=secret', 1],
  ['a name with a blank', 'my secret=1', 1],
  ['an open single quote', "A=1\n\nB='secret\n\n", 3],
  ['an open double quote', 'A="secret', 1],
  ['a NUL byte', 'A=sec\0ret', 1],
];

for (const [name, text, line] of wrong) {
  test(`${name} is an error with its line, and never with its text`, () => {
    assert.throws(
      () => read(text),
      (error: unknown) =>
        error instanceof EnvironmentFileError && error.line === line && !/sec/.test(error.message),
    );
  });
}

test('a file of a megabyte is read quickly', () => {
  const text = `A=${'x '.repeat(500_000)}\nB="${'\\"y'.repeat(100_000)}"\n`;
  const values = read(text);
  assert.equal(values.A?.length, 999_999);
  assert.equal(values.B?.length, 200_000);
});
