import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readState } from '../../../../src/supervisor/state-format/read.ts';
import { VERSION } from '../../../../src/supervisor/state-format/version-2.ts';
import { leavesOf, withLeaf } from '../../../support/leaves.ts';
import { problemIn, RECORDED, SAMPLES, sample, stateIn } from './support.ts';

test('every version has a recorded document', () => {
  for (let version = 1; version <= VERSION; version += 1) {
    const names = [...SAMPLES.keys()].filter((name) => name.startsWith(`state-${version}-`));
    const situations = names.map((name) => name.replace(/^state-\d+-(.*)\.json$/, '$1'));
    const keeper = version === 1 ? [] : ['keeper'];
    assert.deepEqual(situations, ['canary', 'hook', ...keeper, 'soak', 'stopping']);
  }
});

/** The shapes that were already checked in another file of the same version, which has the same schema for them. */
const tried = new Set<string>();

for (const [name, text] of SAMPLES) {
  test(`${name} is valid`, () => {
    const { version, instance, boot_id } = stateIn(text);
    assert.deepEqual([version, instance, boot_id], [VERSION, RECORDED.instance, RECORDED.bootId]);
  });

  test(`${name}: each prefix of it is reported as torn`, () => {
    // Each position in the largest file. The others have only other fields.
    const step = name === 'state-2-keeper.json' ? 1 : 17;
    for (let length = 0; length < text.length; length += step)
      assert.equal(problemIn(text.slice(0, length)).kind, 'torn', `${length} characters`);
  });

  test(`${name}: a damaged character never causes an exception`, () => {
    for (let at = 0; at < text.length; at += 1009) {
      for (const other of ['"', '9', '}', '\0', '\ud800'])
        readState(`${text.slice(0, at)}${other}${text.slice(at + 1)}`, RECORDED);
    }
  });

  test(`${name}: a field with a value of another type is reported with its path`, () => {
    const data: object = JSON.parse(text);
    const version = name.replace(/^state-(\d+)-.*$/, '$1');
    for (const leaf of leavesOf(data)) {
      if (leaf.shape === 'version' || IGNORED.some((one) => one.test(leaf.shape))) continue;
      const shape = `${version} ${leaf.shape}`;
      if (tried.has(shape)) continue;
      tried.add(shape);
      const { kind, message } = problemIn(
        JSON.stringify(withLeaf(data, leaf, typeof leaf.value === 'boolean' ? 'yes' : true)),
      );
      assert.equal(kind, 'invalid', leaf.path);
      const [path = ''] = message.split(': ');
      assert.ok(path !== '' && leaf.path.startsWith(path), `${leaf.path}: ${message}`);
    }
  });

  test(`${name}: unknown fields are ignored`, () => {
    const extended = JSON.stringify(
      JSON.parse(text, (_, value) => (isObject(value) ? { ...value, later: 1 } : value)),
    );
    assert.deepEqual(stateIn(extended), stateIn(text));
  });
}

/** Fields of version 1 that version 2 does not need. */
const IGNORED = [
  /^state\.(version|exit)$/,
  /^state\.demands\.(attend|drain|stalls|verify|prepare)\b/,
  /\.leave\.(drainAt|stallAt)$/,
  /^state\.hooks\[\]\.run\([a-z_]+\)\.type$/,
];

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const CANARY: Record<string, unknown> = JSON.parse(sample('2-canary'));
const changed = (fields: Record<string, unknown>): string => JSON.stringify({ ...CANARY, ...fields });

const PROBLEMS: readonly (readonly [what: string, text: string, kind: string, message: RegExp])[] = [
  ['an empty file', '', 'torn', /^the file is empty$/],
  ['half of a file', sample('2-canary').slice(0, 300), 'torn', /^the file is incomplete or damaged: /],
  ['text', 'state: serving', 'not_json', /^the file is not JSON: /],
  ['a list', '[]', 'not_json', /^the file is not a JSON object$/],
  ['null', 'null', 'not_json', /^the file is not a JSON object$/],
  [
    'no version',
    changed({ version: undefined }),
    'invalid',
    /^version: must be a whole number of 1 or greater$/,
  ],
  ['version 0', changed({ version: 0 }), 'invalid', /^version: /],
  ['a version that is text', changed({ version: '2' }), 'invalid', /^version: /],
  [
    'a newer version with any content',
    '{"version":17}',
    'newer',
    /^the file has version 17, and this zero reads versions 1 to 2\. /,
  ],
  ['a missing field', changed({ generations: undefined }), 'invalid', /^generations: /],
  [
    'another boot',
    changed({ boot_id: 'other' }),
    'other_boot',
    /^the file is from before the machine was started\. /,
  ],
  [
    'another instance',
    changed({ instance: 'other' }),
    'other_instance',
    /^the file belongs to instance other, not to example$/,
  ],
];

for (const [what, text, kind, message] of PROBLEMS) {
  test(`${what} is reported`, () => {
    const problem = problemIn(text);
    assert.equal(problem.kind, kind);
    assert.match(problem.message, message);
  });
}
